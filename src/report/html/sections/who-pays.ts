import { sampleBuffer } from '../../../analysis/cell-sample.js';
import { totalsOf } from '../../../analysis/cell-totals.js';
import { workColumn } from '../../../analysis/observations.js';
import { type LorenzPoint, lorenzCurve } from '../../../stats/concentration.js';
import { formatPercent } from '../../format.js';
import { percent } from '../../headline.js';
import { renderChart } from '../chart.js';
import { type Html, html } from '../html.js';
import { type MetricPanel, metricPanels } from '../metric-panels.js';
import type { PageContext, Section } from '../page-context.js';
import { numberColumn } from '../table.js';

/** Points of a curve that a screen can show apart. */
const mostPoints = 400;

/** The Lorenz curve of work against the bill, and the cells that pay most and least of what they cost. */
export function whoPays(context: PageContext): Section | null {
  if (context.metrics.length === 0) return null;
  return {
    name: 'who-pays',
    title: 'Who pays for whom',
    body: metricPanels(context, (panel) => lorenzChart(context, panel)),
  };
}

function lorenzChart(
  { observations, id }: PageContext,
  { metric, name, uniformity, drawn }: MetricPanel,
): Html {
  const totals = totalsOf(observations, workColumn(observations, metric));
  const { work, bill, order } = sampleBuffer(totals).fill(totals.work);
  const curve = lorenzCurve(work, bill, order());
  const widest = curve.reduce((far, point) => (point.bill - point.work > far.bill - far.work ? point : far));
  const shown = evenly(curve);
  const share = uniformity.misbilledShare.value;
  return renderChart({
    id: id(`lorenz-${metric}`),
    drawn,
    width: 480,
    label: `Lorenz curve of ${name} against the bill`,
    caption: html`The further the curve sags below the dashed line, the more some requests pay for others.`,
    spec: {
      kind: 'lorenz',
      metric: name,
      points: shown.map(({ bill, work }) => [round(bill), round(work)]),
      gap: {
        bill: widest.bill,
        work: widest.work,
        text: share === null ? '' : `${percent(share)} misbilled`,
      },
    },
    table: [
      numberColumn(
        'share of the bill',
        shown.map(({ bill }) => formatPercent(bill)),
      ),
      numberColumn(
        `share of the ${name}`,
        shown.map(({ work }) => formatPercent(work)),
      ),
    ],
  });
}

function evenly(points: readonly LorenzPoint[]): LorenzPoint[] {
  const step = Math.max(1, (points.length - 1) / mostPoints);
  const kept: LorenzPoint[] = [];
  for (let at = 0; at < points.length - 1; at += step) kept.push(points[Math.floor(at)]!);
  return [...kept, points.at(-1)!];
}

function round(share: number): number {
  return Number(share.toFixed(5));
}
