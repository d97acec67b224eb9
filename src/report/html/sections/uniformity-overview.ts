import type { Uniformity } from '../../../analysis/findings.js';
import type { Statistic } from '../../../analysis/statistic.js';
import type { WorkMetric } from '../../../core/metrics.js';
import { capitalized, dash } from '../../words/format.js';
import { percent } from '../../words/headline.js';
import { metricName } from '../../words/metric-name.js';
import { renderChart } from '../chart.js';
import { html } from '../html.js';
import type { PageContext, Section } from '../page-context.js';
import { htmlTable, numberColumn, textColumn } from '../table.js';

/** The misbilled share by every measure of work, each with its interval beside what noise alone would give. */
export function uniformityOverview({ metrics, findings, id }: PageContext): Section | null {
  const all = metrics.map((metric) => ({
    metric,
    name: capitalized(metricName(metric)),
    of: findings.uniformity[metric]!,
  }));
  if (all.length === 0) return null;
  const known = all.filter(({ of }) => of.misbilledShare.value !== null);
  const label = 'Misbilled share by measure of work';
  return {
    name: 'measures',
    short: 'All measures',
    title: 'By every measure of work',
    lead: 'The share of a bill of one price per token that lands on the wrong requests. Tokens track work where the dot lies on the diamond: there, noise alone explains it.',
    body: html`${
      known.length > 0 &&
      renderChart({
        id: id('misbilled'),
        label,
        caption: '● misbilled, with its 95% interval; ◇ what noise alone would give.',
        spec: {
          kind: 'rows',
          style: 'dot',
          axis: { name: 'misbilled share of the bill', unit: 'ratio', scale: 'linear' },
          markName: 'noise alone',
          rows: known.map(({ name, of: { misbilledShare } }) => ({
            label: name,
            value: misbilledShare.value!,
            low: misbilledShare.low,
            high: misbilledShare.high,
            mark: misbilledShare.noiseFloor,
            tone: misbilledShare.verdict === 'not distinguishable' ? ('muted' as const) : ('accent' as const),
            text: withInterval(misbilledShare),
          })),
        },
        table: [
          textColumn(
            'work',
            known.map(({ name }) => name),
          ),
          numberColumn(
            'misbilled',
            known.map(({ of }) => withInterval(of.misbilledShare)),
          ),
          numberColumn(
            'noise alone',
            known.map(({ of }) => share(of.misbilledShare.noiseFloor)),
          ),
        ],
      })
    }${statistics(all)}`,
  };
}

interface Named {
  metric: WorkMetric;
  name: string;
  of: Uniformity;
}

function statistics(all: readonly Named[]) {
  const column = (name: string, unit: string, value: (uniformity: Uniformity) => string) =>
    numberColumn(
      name,
      all.map(({ of }) => value(of)),
      unit,
    );
  const columns = [
    textColumn(
      'work',
      all.map(({ name }) => name),
    ),
    textColumn(
      'verdict',
      all.map(({ of }) => of.misbilledShare.verdict ?? `not known: ${of.misbilledShare.reason}`),
    ),
    column('Gini', '', ({ gini }) => figure(gini, 3)),
    column('R²', 'one price', ({ rSquared }) => figure(rSquared.oneRate, 3)),
    column('R²', 'input, output', ({ rSquared }) => figure(rSquared.inputOutput, 3)),
    column('R²', 'and a fee', ({ rSquared }) => figure(rSquared.inputOutputFee, 3)),
    column('elasticity', '', ({ elasticity }) => figure(elasticity, 2)),
    column('work per token', 'CV', ({ workPerToken }) => figure(workPerToken.cv, 3)),
    column('per token', 'p95 ÷ p5', ({ workPerToken }) => figure(workPerToken.p95OverP5, 2)),
    column('per token', 'max ÷ median', ({ workPerToken }) => figure(workPerToken.maxOverMedian, 2)),
  ];
  return html`${htmlTable(columns, 'Statistics of every measure of work')}
<p class="note">R²: variance of work explained by a tariff, held out by cell; below 0 the tariff predicts worse than the mean. Elasticity: slope of log work on log tokens, 1 is proportional. CV: standard deviation over mean.</p>`;
}

function withInterval({ value, low, high }: Statistic): string {
  if (value === null) return dash;
  if (low === null || high === null || low === high) return percent(value);
  return `${percent(value)} [${percent(low, '')}–${percent(high)}]`;
}

function share(value: number | null): string {
  return value === null ? dash : percent(value);
}

function figure({ value }: Statistic, digits: number): string {
  return value === null ? dash : value.toFixed(digits);
}
