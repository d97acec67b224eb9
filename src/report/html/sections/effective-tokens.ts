import type { EffectiveTokens } from '../../../analysis/effective-tokens.js';
import { effectiveTokensTable } from '../../tables/uniformity.js';
import { formatNumber, formatWithUnit } from '../../words/format.js';
import { cellName } from '../../words/names.js';
import { renderChart } from '../chart.js';
import { type Html, html } from '../html.js';
import { type MetricPanel, metricPanels } from '../metric-panels.js';
import type { PageContext, Section } from '../page-context.js';
import type { Tone } from '../theme.js';

/** Bars that a page can hold; of more cells, the two ends are shown. */
const mostBars = 40;

/** The bill of each cell's request, were tokens work, beside its real one. */
export function effectiveTokens(context: PageContext): Section | null {
  if (context.metrics.length === 0) return null;
  return {
    name: 'effective',
    short: 'Effective tokens',
    title: 'Effective tokens: the bill if tokens were work',
    lead: 'The plain token is the work per billed token of a reference request of 128 + 128 tokens. A request’s effective tokens are its work in plain tokens. A bar that goes beyond its diamond (green) is a request that is billed too little, one that falls short of it (orange) too much; grey ones cannot be told from their bill.',
    body: metricPanels(context, (panel) => chart(context, panel)),
  };
}

function chart({ findings, id }: PageContext, { metric, name, unit, drawn }: MetricPanel): Html {
  const all = findings.effectiveTokens?.[metric] ?? [];
  if (all.length === 0) return html`<p class="absent">${whyNone(findings, metric)}</p>`;
  const sorted = all.toSorted((a, b) => b.effective - a.effective);
  const shown =
    sorted.length <= mostBars ? sorted : [...sorted.slice(0, mostBars / 2), ...sorted.slice(-mostBars / 2)];
  const named = ({ cell }: EffectiveTokens) => cellName(cell, findings.workload.models);
  const ratio = ({ effective, billed }: EffectiveTokens) => `${formatNumber(effective / billed)}×`;
  const plain = Object.entries(findings.plainToken[metric]?.byModel ?? {});
  return renderChart({
    id: id(`effective-${metric}`),
    drawn,
    label: `Effective tokens per cell by ${name}, beside billed tokens`,
    caption: html`By ${name}; a plain token is ${plain.map(([model, { value }], index) => `${index > 0 ? '; ' : ''}${formatWithUnit(value, unit)}${plain.length > 1 ? ` for ${model}` : ''}`)}. Bar: effective tokens with 95% interval; ◇ billed tokens; at the end, effective ÷ billed.${shown.length < sorted.length && ` The ${mostBars / 2} largest and smallest of ${sorted.length} cells.`}`,
    spec: {
      kind: 'rows',
      style: 'bar',
      axis: { name: 'effective tokens', unit: '', scale: 'linear' },
      markName: 'billed tokens',
      rows: shown.map((cell) => ({
        label: named(cell),
        value: cell.effective,
        low: cell.low,
        high: cell.high,
        mark: cell.billed,
        tone: toneOf(cell),
        text: ratio(cell),
      })),
    },
    table: effectiveTokensTable(sorted, findings, metric).columns,
  });
}

/** Whether the bill is too low or too high; neither where the interval holds it. */
function toneOf({ billed, effective, low, high }: EffectiveTokens): Tone {
  if (low !== null && high !== null && low <= billed && billed <= high) return 'muted';
  return effective > billed ? 'under' : 'over';
}

function whyNone(
  { effectiveTokens, plainToken }: PageContext['findings'],
  metric: MetricPanel['metric'],
): string {
  if (effectiveTokens === null)
    return 'The run has more cells than a page can list; compare the costs per token above.';
  const reason = plainToken[metric]?.reason ?? 'the run has no plain token';
  return `No effective tokens: ${reason}.`;
}
