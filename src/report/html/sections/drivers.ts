import { driversTable, tariffsTable } from '../../tables/uniformity.js';
import { capitalized, percent } from '../../words/format.js';
import { factorName } from '../../words/names.js';
import { renderChart } from '../chart.js';
import { type Html, html } from '../html.js';
import { type MetricPanel, metricPanels } from '../metric-panels.js';
import type { PageContext, Section } from '../page-context.js';
import { htmlTable } from '../table.js';
import { explained } from '../words.js';

/** Which factor makes work per token vary, and which tariff would do better. */
export function driversSection(context: PageContext): Section | null {
  if (context.metrics.length === 0) return null;
  return {
    name: 'drivers',
    short: 'Drivers and prices',
    title: 'What makes the difference, and what would mend it',
    lead: 'On the left, which factor of the workload makes a token cost more here than there. On the right, the prices that fit the work best, and what stays misbilled under them.',
    body: metricPanels(
      context,
      (panel) => html`<div class="pair">${driversChart(context, panel)}${tariffTable(context, panel)}</div>`,
    ),
  };
}

function driversChart({ findings, id }: PageContext, { metric, name, uniformity, drawn }: MetricPanel): Html {
  const { drivers, driversReason, driversLeftOut } = uniformity;
  const leftOut =
    driversLeftOut.length > 0 &&
    html`<p class="note">Left out: ${driversLeftOut.map(({ factor, reason }) => `${factorName(factor)} (${reason})`).join('; ')}.</p>`;
  if (drivers === null) return html`<div><p class="absent">No drivers: ${driversReason}.</p>${leftOut}</div>`;
  return html`<div>${renderChart({
    id: id(`drivers-${metric}`),
    drawn,
    width: 500,
    label: `Shares of the variance of ${name} per token by factor`,
    caption: `Shapley share of each factor in the variance of log ${name} per token`,
    spec: {
      kind: 'rows',
      style: 'bar',
      axis: { name: 'share of the variance', unit: 'ratio', scale: 'linear' },
      rows: drivers.map(({ factor, share }) => ({
        label: capitalized(factorName(factor)),
        value: share,
        low: null,
        high: null,
        tone: factor === 'unexplained' ? ('muted' as const) : ('accent' as const),
        text: percent(share),
      })),
    },
    table: driversTable(findings, metric).columns,
  })}${leftOut}</div>`;
}

function tariffTable({ findings }: PageContext, { metric }: MetricPanel): Html {
  const { title, columns, notes } = tariffsTable(findings, metric);
  return html`<div>${htmlTable(columns, title)}
<p class="note">${explained((notes ?? []).join(' '))}</p></div>`;
}
