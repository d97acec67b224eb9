import {
  type DirectionWord,
  findMetric,
  type MetricName,
  type MetricRecord,
  metrics,
} from '../../core/metrics.js';
import type { Result } from '../../core/result.js';
import { ratioOfMedians } from '../../stats/bootstrap.js';
import { testEquivalence } from '../../stats/equivalence.js';
import { adjustPValues } from '../../stats/false-discovery.js';
import { mannWhitney } from '../../stats/mann-whitney.js';
import { median } from '../../stats/quantile.js';
import { deriveSeed } from '../../stats/random.js';
import type { RequestTable } from '../requests/request-table.js';

/**
 * A change in the metric's own words, `faster` or `slower` for times and `less` or `more` for amounts;
 * `same` is shown by an equivalence test; `~` means that neither a change nor its absence could be shown.
 */
export type ComparisonVerdict = DirectionWord | 'same' | '~';

/** A metric by which two results are compared. */
export interface ComparedMetric extends MetricRecord {
  readonly name: MetricName;
  /** Computed and not measured, in both results: a difference needs no test. */
  derived: boolean;
}

/** Every metric of the registry, latencies first. */
export function comparedMetrics(baseline: Result, candidate: Result): ComparedMetric[] {
  return metrics.map((metric) => {
    const about = [baseline.metrics[metric.name], candidate.metrics[metric.name]];
    return { ...metric, derived: about.every((own) => own?.provenance === 'derived') };
  });
}

/** Whether a verdict says that the candidate took more of the metric, or less of it. */
export function isChange(
  { metric, verdict }: { metric: string; verdict: ComparisonVerdict | null },
  direction: 'less' | 'more',
): boolean {
  return verdict !== null && verdict === findMetric(metric)?.words[direction];
}

export interface ComparedCell {
  cell: string;
  metric: string;
  unit: string;
  /** Medians. */
  baseline: number;
  candidate: number;
  /** Candidate over baseline, with a 95% bootstrap interval; `null` where the baseline's median is 0. */
  ratio: number | null;
  low: number | null;
  high: number | null;
  repetitions: [baseline: number, candidate: number];
  /** Mann–Whitney, two-sided. */
  pValue: number | null;
  /** Adjusted by Benjamini–Hochberg over the metric's cells; the verdict goes by it. */
  qValue: number | null;
  /** `null` below five repetitions. */
  verdict: ComparisonVerdict | null;
}

/** Fewer repetitions show a ratio and bear no verdict. */
export const fewestRepetitions = 5;
/** Changes within this are no change. */
export const margin = 0.01;
export const significance = 0.05;

const resampleBudget = 400_000;

/**
 * One metric, cell by cell: ratio of medians, Mann–Whitney, and a verdict. Several cells are several
 * chances to be wrong, so p-values are adjusted within the metric: where nothing changed at all, the chance
 * of any change among its cells is 5%.
 */
export function compareCells(
  baseline: RequestTable,
  candidate: RequestTable,
  metric: ComparedMetric,
  seed: number,
): ComparedCell[] {
  const [before, after] = [valuesByCell(baseline, metric.name), valuesByCell(candidate, metric.name)];
  const both = baseline.cells.filter(({ id }) => before.has(id) && after.has(id));
  const resamples = Math.max(200, Math.min(2000, Math.floor(resampleBudget / Math.max(1, both.length))));
  const rows = both.map(({ id }, index) => {
    const pair: [number[], number[]] = [before.get(id)!, after.get(id)!];
    return { pair, row: compareValues(id, metric, pair, { seed: deriveSeed(seed, index), resamples }) };
  });
  const qValues = adjustPValues(rows.map(({ row }) => row.pValue));
  return rows.map(({ pair, row }, index) => {
    const judged = { ...row, qValue: qValues[index]! };
    return { ...judged, verdict: verdictOn(judged, pair, metric) };
  });
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
  const interval =
    exact && ratio !== null ? { low: ratio, high: ratio } : ratioOfMedians(before, after, bootstrap);
  const enough = Math.min(before.length, after.length) >= fewestRepetitions;
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
): ComparisonVerdict | null {
  if (ratio === null) return null;
  const beyond = Math.abs(ratio - 1) > margin;
  const direction = ratio > 1 ? words.more : words.less;
  if (derived && isConstant(before) && isConstant(after)) return beyond ? direction : 'same';
  if (qValue === null) return null;
  // Ranks and medians may disagree; a change is claimed where the interval shows it too.
  const apart = low !== null && high !== null && (low > 1 || high < 1);
  if (beyond && apart && qValue < significance) return direction;
  return testEquivalence(before, after, { margin, level: significance })?.equivalent ? 'same' : '~';
}

function isConstant(values: readonly number[]): boolean {
  return values.every((value) => value === values[0]);
}
