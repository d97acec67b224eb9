import { lorenzTable, worstCellsTable } from '../../tables/uniformity.js';
import { formatNumber, percent } from '../../words/format.js';
import { cellName } from '../../words/names.js';
import { renderChart } from '../chart.js';
import { type Html, html } from '../html.js';
import { type MetricPanel, metricPanels } from '../metric-panels.js';
import type { PageContext, Section } from '../page-context.js';

/** The Lorenz curve of work against the bill, and the cells that pay most and least of what they cost. */
export function whoPays(context: PageContext): Section | null {
  if (context.metrics.length === 0) return null;
  return {
    name: 'who-pays',
    short: 'Who pays for whom',
    title: 'Who pays for whom',
    lead: 'Were every token the same work, each request would pay what it costs, and the curve would run along the dashed line.',
    body: metricPanels(
      context,
      (panel) =>
        html`<div class="pair">${lorenzChart(context, panel)}${crossSubsidies(context, panel)}</div>`,
    ),
  };
}

function lorenzChart({ findings, id }: PageContext, { metric, name, uniformity, drawn }: MetricPanel): Html {
  const { lorenz: curve } = uniformity;
  const widest = curve.reduce((far, point) => (point.bill - point.work > far.bill - far.work ? point : far));
  const { value } = uniformity.misbilledShare;
  return renderChart({
    id: id(`lorenz-${metric}`),
    drawn,
    width: 500,
    label: `Lorenz curve of ${name} against the bill`,
    caption: `Lorenz curve: the share of ${name} behind each share of the bill. At its widest, the gap to the dashed line is the misbilled share as measured${value === null ? '' : `; less what noise adds, it is ${percent(value)}`}.`,
    spec: {
      kind: 'lorenz',
      metric: name,
      points: curve.map(({ bill, work }) => [round(bill), round(work)]),
      gap: { bill: widest.bill, work: widest.work, text: gapText(widest.bill - widest.work, value) },
    },
    table: lorenzTable(findings, metric).columns,
  });
}

function crossSubsidies(
  { findings, id }: PageContext,
  { metric, name, uniformity, drawn }: MetricPanel,
): Html {
  const { worstCells } = uniformity;
  const known = worstCells.flatMap(({ paysTimesItsCost, ...cell }) =>
    paysTimesItsCost === null ? [] : [{ ...cell, pays: paysTimesItsCost }],
  );
  if (known.length === 0) return html`<p class="absent">No cell's bill can be held against its ${name}.</p>`;
  const sorted = known.toSorted((a, b) => b.pays - a.pays);
  const named = (cell: string) => cellName(cell, findings.workload.models);
  const times = (value: number) => `${formatNumber(value)}×`;
  return renderChart({
    id: id(`subsidy-${metric}`),
    drawn,
    width: 500,
    label: `The cells farthest from paying what they cost, by ${name}`,
    caption: html`The cells farthest from paying what they cost. Right of the line (orange) a request pays for others; left of it (green), others pay for it.`,
    spec: {
      kind: 'rows',
      style: 'bar',
      axis: { name: 'pays, times its cost', unit: '', scale: 'log' },
      origin: { value: 1, text: 'pays its cost' },
      rows: sorted.map(({ cell, pays, low, high }) => ({
        label: named(cell),
        value: pays,
        low,
        high,
        tone: pays > 1 ? ('over' as const) : ('under' as const),
        text: times(pays),
      })),
    },
    table: worstCellsTable(findings, metric).columns,
  });
}

/** The curve shows the share as measured; the one that is reported is less the bias that noise gives it. */
function gapText(measured: number, corrected: number | null): string {
  if (corrected === null || percent(measured) === percent(corrected)) return `${percent(measured)} misbilled`;
  return `${percent(measured)} as measured`;
}

function round(share: number): number {
  return Number(share.toFixed(5));
}
