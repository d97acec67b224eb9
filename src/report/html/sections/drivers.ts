import { capitalized, dash, formatPercent } from '../../words/format.js';
import { factorName, percent } from '../../words/headline.js';
import { renderChart } from '../chart.js';
import { type Html, html } from '../html.js';
import { type MetricPanel, metricPanels } from '../metric-panels.js';
import type { PageContext, Section } from '../page-context.js';
import { htmlTable, numberColumn, textColumn } from '../table.js';
import { formatWithUnit } from '../units.js';

const tariffNames = {
  oneRate: 'one price',
  inputOutput: 'input and output price',
  inputOutputFee: 'and a fee per request',
} as const;

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

function driversChart({ id }: PageContext, { metric, name, uniformity, drawn }: MetricPanel): Html {
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
    caption: `Shapley shares of the variance of log ${name} per token`,
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
    table: [
      textColumn(
        'factor',
        drivers.map(({ factor }) => factorName(factor)),
      ),
      numberColumn(
        'share',
        drivers.map(({ share }) => percent(share)),
      ),
    ],
  })}${leftOut}</div>`;
}

function tariffTable({ findings }: PageContext, { name, unit, uniformity }: MetricPanel): Html {
  const fitted = Object.entries(tariffNames).flatMap(([tariff, title]) => {
    const found = uniformity.tariffs[tariff as keyof typeof tariffNames];
    if (found === null)
      return [{ title, model: '', input: dash, output: dash, fee: dash, left: 'not determined' }];
    return found.prices.map(({ model, inputPerToken, outputPerToken, perRequest }) => ({
      title,
      model,
      input: formatWithUnit(inputPerToken, unit),
      output: tariff === 'oneRate' ? 'the same' : formatWithUnit(outputPerToken, unit),
      fee: tariff === 'inputOutputFee' ? formatWithUnit(perRequest, unit) : dash,
      left: formatPercent(found.misbilledShare),
    }));
  });
  const several = findings.workload.models.length > 1;
  const columns = [
    textColumn(
      'tariff',
      fitted.map(({ title }) => title),
    ),
    ...(several
      ? [
          textColumn(
            'model',
            fitted.map(({ model }) => model),
          ),
        ]
      : []),
    numberColumn(
      'input',
      fitted.map(({ input }) => input),
      'per token',
    ),
    numberColumn(
      'output',
      fitted.map(({ output }) => output),
      'per token',
    ),
    numberColumn(
      'fee',
      fitted.map(({ fee }) => fee),
      'per request',
    ),
    numberColumn(
      'misbilled',
      fitted.map(({ left }) => left),
      'as fitted',
    ),
  ];
  return html`<div>${htmlTable(columns, `Tariffs fitted to ${name}`)}
<p class="note">Prices in ${name}. The misbilled share here is as fitted, with noise in it.</p></div>`;
}
