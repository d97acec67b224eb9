import { factorsOf } from '../../../analysis/uniformity/factors.js';
import { columnsOf } from '../../tables/table.js';
import { formatWithUnit } from '../../words/format.js';
import { cellName, factorName } from '../../words/names.js';
import { renderChart } from '../chart.js';
import type { ScatterFactor } from '../charts/scatter.js';
import { factorClasses } from '../factor-classes.js';
import { type Html, html } from '../html.js';
import { type MetricPanel, metricPanels } from '../metric-panels.js';
import type { PageContext, Section } from '../page-context.js';
import { evenly, short } from '../thin.js';

/** Points that a chart of this size can show; more would hide each other. */
const mostPoints = 2000;

/** Work against billed tokens, each request a point, with the fitted price per token and the noise around it. */
export function requestsScatter(context: PageContext): Section | null {
  if (context.metrics.length === 0) return null;
  const factors = factorsOf(context.table).map((factor) => factorClasses(factor, context.table));
  return {
    name: 'requests',
    short: 'Requests',
    title: 'Every request: its work against its bill',
    lead: 'If tokens tracked work, all points would lie within the grey band around the line of one price per token: noise and drift between rounds would put 95% of them there.',
    body: metricPanels(context, (panel) => chart(context, panel, factors)),
  };
}

function chart(
  { table, findings, id }: PageContext,
  { metric, name, unit, uniformity, drawn }: MetricPanel,
  factors: readonly ScatterFactor[],
): Html {
  const column = table.metrics[metric];
  const measured = [...column.keys()].filter((i) => column[i]! > 0 && tokensOf(i) > 0);
  const shown = evenly(measured, mostPoints);
  const cells = [...new Set(shown.map((i) => table.cell[i]!))];
  const position = new Map(cells.map((cell, index) => [cell, index]));
  const leading = uniformity.drivers?.[0]?.factor;
  const ordered = factors.toSorted((a, b) => Number(b.name === leading) - Number(a.name === leading));
  const named = cells.map((cell) => cellName(table.cells[cell]!.id, findings.workload.models));
  const listed = columnsOf(evenly(shown, 200));
  const show = (value: number) => formatWithUnit(value, unit);
  return html`${renderChart({
    id: id(`requests-${metric}`),
    drawn,
    zoom: true,
    label: `${name} against billed tokens, a point per request, with the price per token that fits best`,
    caption: caption(measured.length, shown.length),
    choices: [
      {
        name: 'colour',
        label: 'Colour by',
        options: ordered.map((factor) => ({ value: factor.name, label: factorName(factor.name) })),
      },
    ].filter(({ options }) => options.length > 1),
    spec: {
      kind: 'scatter',
      metric: name,
      unit,
      tokens: shown.map(tokensOf),
      work: shown.map((i) => short(column[i]!)),
      cell: shown.map((i) => position.get(table.cell[i]!)!),
      cells: named,
      factors: ordered.map((factor) => ({ ...factor, of: cells.map((cell) => factor.of[cell]!) })),
      tariffs: (uniformity.tariffs.oneRate?.prices ?? []).map(({ model, inputPerToken }) => ({
        model,
        perToken: inputPerToken,
      })),
      noiseFactor: uniformity.requestBand,
    },
    table: [
      listed.text('cell', (i) => named[position.get(table.cell[i]!)!]!),
      listed.number('repetition', (i) => table.repetition[i]!, { show: String }),
      listed.number(['billed', 'tokens'], tokensOf),
      listed.number(name, (i) => column[i]!, { show }),
      listed.number('per token', (i) => column[i]! / tokensOf(i), { show }),
    ],
  })}${
    uniformity.requestBand === null &&
    html`<p class="note">Nothing was repeated, so how far noise spreads requests is not known and no band is drawn.</p>`
  }`;

  function tokensOf(i: number): number {
    return table.promptTokens[i]! + table.completionTokens[i]!;
  }
}

function caption(measured: number, shown: number): string {
  if (shown === measured) return `All ${measured} requests that were measured. Both axes are logarithmic.`;
  return `${shown} of ${measured} requests, taken at even steps in the order they ran; every figure on this page is from all of them. Both axes are logarithmic.`;
}
