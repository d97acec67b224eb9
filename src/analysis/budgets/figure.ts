import { byImportance, isDerived, metricOf, type WorkMetric } from '../../core/metrics.js';
import { isOk, type OkRequest, type Result } from '../../core/result.js';
import { median } from '../../stats/quantile.js';
import { createRandom } from '../../stats/random.js';
import { studentTCritical } from '../../stats/student-t.js';
import { findingsOf } from '../findings.js';
import { billedTokens } from '../request-metrics.js';
import { fewestClusters } from '../uniformity/sampled-workload.js';
import type { Budget, BudgetOf } from './budget.js';

/** A figure that a budget is held against, with its 95% interval; or why there is none, and what would help. */
export type BudgetFigure =
  | { value: number; low: number; high: number; metric: string }
  | { value: null; reason: string; hint: string };

/** The figure of each model; of a misbilled share, that of all of them, as each has a price of its own. */
export function figuresFor(result: Result, budget: Budget): { model: string | null; figure: BudgetFigure }[] {
  if (budget.of === 'misbilled') return [{ model: null, figure: misbilledShare(result, budget.metric) }];
  const { metric, of } = budget;
  const answering = [...new Set(result.cells.map(({ model }) => model))];
  return answering.map((id) => ({
    model: answering.length > 1 ? id : null,
    figure: workloadFigure(result, id, { metric, of }),
  }));
}

function misbilledShare(result: Result, asked: WorkMetric | null): BudgetFigure {
  const { uniformity, notMeasured } = findingsOf(result, asked === null ? {} : { metrics: [asked] });
  const measured = byImportance(Object.keys(uniformity) as WorkMetric[]);
  const metric =
    asked ?? measured.find((name) => uniformity[name]!.misbilledShare.value !== null) ?? measured[0];
  const share = metric === undefined ? undefined : uniformity[metric]?.misbilledShare;
  const { value = null, low = null, high = null, reason } = share ?? {};
  const hint = 'It takes several cells that were measured, three times each or more (--repetitions).';
  if (value === null || metric === undefined) {
    const why = reason ?? (metric && notMeasured[metric]) ?? 'no metric was measured of it';
    return { value: null, reason: `there is no misbilled share: ${why}`, hint };
  }
  if (low === null || high === null)
    return {
      value: null,
      reason: `its misbilled share has no interval: ${reason ?? 'too few cells'}`,
      hint: intervalHint[result.run.design ?? 'fixed'],
    };
  return { value, low, high, metric };
}

const intervalHint = {
  fixed: 'Run it with --repetitions 3 or more.',
  sampled: `Run ${fewestClusters} different requests or more.`,
};

/** A request as a statistic sees it. */
interface Measured {
  value: number;
  tokens: number;
  cell: string;
  round: number;
}

function workloadFigure(
  result: Result,
  model: string,
  { metric, of }: { metric: Exclude<Budget['metric'], null>; of: BudgetOf },
): BudgetFigure {
  const record = metricOf(metric);
  const batchOf = new Map(
    result.cells.flatMap(({ id, model: own, factors: { batch } }) =>
      own === model ? [[id, typeof batch === 'number' ? batch : 1] as const] : [],
    ),
  );
  const ok = result.requests.filter(isOk).filter(({ cell }) => batchOf.has(cell));
  if (ok.length === 0)
    return { value: null, reason: 'no request of it succeeded', hint: 'The result says why.' };
  const rows = ok.flatMap((request: OkRequest): Measured[] => {
    const value = record.ofRequest(request, batchOf.get(request.cell)!);
    const { cell, repetition: round } = request;
    return value === null ? [] : [{ value, tokens: billedTokens(request), cell, round }];
  });
  const [measured, seen] = [new Set(rows.map(({ cell }) => cell)), new Set(ok.map(({ cell }) => cell))];
  // A tpot of answers of one token is none; work that some cells lack is a sum of a part.
  const isPartial = of.startsWith('per') && measured.size < seen.size;
  if (rows.length === 0 || isPartial)
    return {
      value: null,
      reason:
        rows.length === 0
          ? `${metric} was not measured`
          : `${metric} was not measured of ${seen.size - measured.size} of ${seen.size} cells`,
      hint: 'See what `tokenwork doctor` says of it, or leave the budget out.',
    };
  const statistic = statistics[of];
  const value = statistic(rows);
  const isExact = of === 'maximum' || (isDerived(record) && result.metrics[metric]?.provenance === 'derived');
  if (isExact) return { value, low: value, high: value, metric };
  const reach = result.run.design === 'sampled' ? overCells(rows, statistic) : overRounds(rows, statistic);
  return typeof reach === 'string'
    ? { value: null, reason: reach, hint: intervalHint[result.run.design ?? 'fixed'] }
    : { value, low: value / reach, high: value * reach, metric };
}

type Statistic = (rows: readonly Measured[]) => number;

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const totalOf = (rows: readonly Measured[]) => sum(rows.map(({ value }) => value));

const statistics: Record<BudgetOf, Statistic> = {
  'per request': (rows) => totalOf(rows) / rows.length,
  'per token': (rows) => totalOf(rows) / sum(rows.map(({ tokens }) => tokens)),
  median: (rows) => median(rows.map(({ value }) => value))!,
  maximum: (rows) => rows.reduce((most, { value }) => Math.max(most, value), 0),
};

/**
 * The factor that a 95% interval reaches either way, where cells are given: each round is a measurement of all of them,
 * so that Student's t of the rounds' own figures, on the logarithm, holds the noise within rounds and the drift between.
 * A string says why there is none.
 */
function overRounds(rows: readonly Measured[], statistic: Statistic): number | string {
  const rounds = [...groupedBy(rows, ({ round }) => round).values()];
  const cells = (round: readonly Measured[]) => new Set(round.map(({ cell }) => cell)).size;
  const all = new Set(rows.map(({ cell }) => cell)).size;
  // A round that was cut short is of other requests.
  const logs = rounds.filter((round) => cells(round) === all).map((round) => Math.log(statistic(round)));
  if (logs.length < 2) return 'one round of its requests has no interval';
  const deviation = standardDeviation(logs);
  if (!Number.isFinite(deviation)) return 'a round of it took nothing at all';
  return Math.exp((studentTCritical(0.025, logs.length - 1) * deviation) / Math.sqrt(logs.length));
}

const resamples = 1000;

/** The same where the requests are a sample: a bootstrap over cells, t with their number less one. */
function overCells(rows: readonly Measured[], statistic: Statistic): number | string {
  const clusters = [...groupedBy(rows, ({ cell }) => cell).values()];
  if (clusters.length < fewestClusters)
    return `its ${clusters.length} different requests are fewer than the ${fewestClusters} that an interval over a sample takes`;
  const random = createRandom(1);
  const logs = Array.from({ length: resamples }, () =>
    Math.log(statistic(clusters.flatMap(() => clusters[random.below(clusters.length)]!))),
  );
  const deviation = standardDeviation(logs);
  if (!Number.isFinite(deviation)) return 'a part of its requests took nothing at all';
  return Math.exp(studentTCritical(0.025, clusters.length - 1) * deviation);
}

function standardDeviation(values: readonly number[]): number {
  const mean = sum(values) / values.length;
  return Math.sqrt(sum(values.map((value) => (value - mean) ** 2)) / (values.length - 1));
}

function groupedBy<Key>(rows: readonly Measured[], keyOf: (row: Measured) => Key): Map<Key, Measured[]> {
  const groups = new Map<Key, Measured[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group === undefined) groups.set(keyOf(row), [row]);
    else group.push(row);
  }
  return groups;
}
