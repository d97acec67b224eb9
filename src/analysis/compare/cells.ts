import type { MetricName, WorkMetric } from '../../core/metrics.js';
import { verdictRepetitions, worthNaming } from '../../core/verdict.js';
import { ratioOfMedians } from '../../stats/bootstrap/bootstrap.js';
import { testEquivalence } from '../../stats/equivalence.js';
import { adjustPValues } from '../../stats/false-discovery.js';
import { ratioOfFewMedians } from '../../stats/few-medians.js';
import { mannWhitney } from '../../stats/mann-whitney.js';
import { normal95, normalQuantile, normalUpperTail } from '../../stats/normal.js';
import { median } from '../../stats/quantile.js';
import { deriveSeed } from '../../stats/random.js';
import type { RequestTable } from '../requests/request-table.js';
import { totalsOf } from '../uniformity/cell-totals.js';
import { attributionOf } from '../uniformity/within-cell-noise.js';
import type { Undrifted } from './drift.js';
import { type ComparedMetric, type ComparisonVerdict, significance } from './verdicts.js';

export interface ComparedCell {
  cell: string;
  metric: string;
  unit: string;
  /** Medians. */
  baseline: number;
  candidate: number;
  /** Candidate over baseline, with a 95% interval; `null` where the baseline's median is 0. */
  ratio: number | null;
  low: number | null;
  high: number | null;
  repetitions: [baseline: number, candidate: number];
  /** Mann–Whitney, two-sided; larger by what drift may have done, and attribution. */
  pValue: number | null;
  /** Adjusted by Benjamini–Hochberg over the metric's cells; the verdict goes by it. */
  qValue: number | null;
  /** `null` below five repetitions, and of what was measured on a busy machine. */
  verdict: ComparisonVerdict | null;
}

const resampleBudget = 400_000;

/**
 * One metric, cell by cell: ratio of medians, Mann–Whitney, and a verdict. Several cells are several
 * chances to be wrong, so p-values are adjusted within the metric: where nothing changed at all, the chance
 * of any change among its cells is 5%. Drift and attribution add to the error of each in quadrature.
 */
export function compareCells(
  { baseline, candidate, reach, narrowReach }: Undrifted,
  metric: ComparedMetric,
  seed: number,
): ComparedCell[] {
  const [before, after] = [valuesByCell(baseline, metric.name), valuesByCell(candidate, metric.name)];
  const both = baseline.cells.filter(({ id }) => before.has(id) && after.has(id));
  const resamples = Math.max(200, Math.min(2000, Math.floor(resampleBudget / Math.max(1, both.length))));
  const errors = attributionByCell([baseline, candidate], metric.name);
  const rows = both.map(({ id }, index) => {
    const pair: [number[], number[]] = [before.get(id)!, after.get(id)!];
    const row = compareValues(id, metric, pair, { seed: deriveSeed(seed, index), resamples });
    const error = errors.get(id) ?? 0;
    const all = Math.hypot(reach, normal95 * error);
    return { pair, error, row: all > 0 ? widened(row, all) : row };
  });
  const qValues = adjustPValues(rows.map(({ row }) => row.pValue));
  return rows.map(({ pair, row, error }, index) => {
    const judged = { ...row, qValue: qValues[index]! };
    // Only what is left of the margin beside drift and attribution shows that nothing changed.
    const left = Math.expm1(Math.log1p(worthNaming) - Math.hypot(narrowReach, normal90 * error));
    return { ...judged, verdict: verdictOn(judged, pair, metric, left) };
  });
}

/** Two-sided 90%, as of two one-sided tests at 5%. */
const normal90 = normalQuantile(1 - significance);

/**
 * By cell, the standard error of the logarithm of a ratio by what attribution may be out on both sides: the same for all
 * of a cell's requests, so that no repetition shows it.
 */
export function attributionByCell(
  sides: readonly RequestTable[],
  name: MetricName,
): ReadonlyMap<string, number> {
  const variances = new Map<string, number>();
  for (const table of sides) {
    const work = table.metrics[name];
    const errors = table.attributionErrors[name as WorkMetric];
    if (errors === undefined) continue;
    const totals = totalsOf(table, work);
    const own = attributionOf(table, totals, work, errors)!;
    for (const [k, cell] of totals.cell.entries()) {
      const { id } = table.cells[cell]!;
      variances.set(id, (variances.get(id) ?? 0) + own[k]! ** 2);
    }
  }
  return new Map([...variances].map(([id, variance]) => [id, Math.sqrt(variance)]));
}

/** A row with an error by drift and attribution of `reach`, the 95% half-width of the logarithm of its ratio. */
function widened(row: ComparedCell, reach: number): ComparedCell {
  const { ratio, low, high, pValue } = row;
  if (ratio === null || ratio === 0) return row;
  const log = Math.abs(Math.log(ratio));
  const apart = (end: number | null) =>
    end === null || end <= 0 ? end : Math.hypot(Math.log(ratio / end), reach);
  const [below, above] = [apart(low), apart(high)];
  return {
    ...row,
    low: below === null || low! <= 0 ? low : ratio * Math.exp(-below),
    high: above === null ? null : ratio * Math.exp(above),
    pValue: pValue === null ? null : withError(pValue, (normal95 * log) / reach),
  };
}

/** A two-sided p-value of z standard errors, once an error is added that alone would leave `apart` of its own. */
function withError(pValue: number, apart: number): number {
  const z = normalQuantile(1 - Math.max(pValue, 1e-15) / 2);
  return Math.min(1, 2 * normalUpperTail(z === 0 || apart === 0 ? 0 : 1 / Math.hypot(1 / z, 1 / apart)));
}

function valuesByCell(
  { cells, cell, metrics: columns, size }: RequestTable,
  name: MetricName,
): Map<string, number[]> {
  const column = columns[name];
  const lists: (number[] | undefined)[] = [];
  for (let i = 0; i < size; i++) {
    const value = column[i]!;
    if (Number.isNaN(value)) continue;
    const own = cell[i]!;
    const list = lists[own];
    if (list === undefined) lists[own] = [value];
    else list.push(value);
  }
  return new Map(cells.flatMap(({ id }, c) => (lists[c] === undefined ? [] : [[id, lists[c]] as const])));
}

function compareValues(
  cell: string,
  metric: ComparedMetric,
  [before, after]: [number[], number[]],
  bootstrap: { seed: number; resamples: number },
): ComparedCell {
  const medians = { baseline: median(before)!, candidate: median(after)! };
  const ratio = medians.baseline === 0 ? null : medians.candidate / medians.baseline;
  const exact = isConstant(before) && isConstant(after);
  const enough = Math.min(before.length, after.length) >= verdictRepetitions;
  const drawn = () => (enough ? ratioOfMedians(before, after, bootstrap) : ratioOfFewMedians(before, after));
  const interval = exact && ratio !== null ? { low: ratio, high: ratio } : drawn();
  return {
    cell,
    metric: metric.name,
    unit: metric.unit,
    ...medians,
    ratio,
    low: interval?.low ?? null,
    high: interval?.high ?? null,
    repetitions: [before.length, after.length],
    pValue: enough ? mannWhitney(before, after)!.pValue : null,
    qValue: null,
    verdict: null,
  };
}

function verdictOn(
  { ratio, low, high, qValue }: ComparedCell,
  [before, after]: [number[], number[]],
  { derived, words }: ComparedMetric,
  sameWithin: number,
): ComparisonVerdict | null {
  if (ratio === null) return null;
  const beyond = Math.abs(ratio - 1) > worthNaming;
  const direction = ratio > 1 ? words.more : words.less;
  if (derived && isConstant(before) && isConstant(after)) return beyond ? direction : 'same';
  if (qValue === null) return null;
  // Ranks and medians may disagree; a change is claimed where the interval shows it too.
  const apart = low !== null && high !== null && (low > 1 || high < 1);
  if (beyond && apart && qValue < significance) return direction;
  if (sameWithin <= 0) return '~';
  return testEquivalence(before, after, { margin: sameWithin, level: significance })?.equivalent
    ? 'same'
    : '~';
}

function isConstant(values: readonly number[]): boolean {
  return values.every((value) => value === values[0]);
}
