import type { Result } from '../core/result.js';
import { studentTCritical, studentTUpperTail } from '../stats/student-t.js';
import {
  type ComparedCell,
  type ComparisonVerdict,
  fewestRepetitions,
  margin,
  significance,
} from './compare-cells.js';
import { batchByCell, type ComparedMetric } from './compare-metrics.js';
import { observe } from './observations.js';

/** A metric over all cells at once. */
export interface GeometricMean {
  /** Geometric mean of the cells' ratios of medians. */
  ratio: number;
  cells: number;
  /** 95%; `null` with fewer than two rounds on a side. */
  low: number | null;
  high: number | null;
  pValue: number | null;
  verdict: ComparisonVerdict | null;
}

/**
 * The geometric mean of a metric's ratios. Cells of one round share the machine's drift, so the rounds are
 * the observations: a Welch t interval over each round's mean log deviation from its cells' means.
 * What drifts between the two runs as wholes, no repetition within them can show.
 */
export function geometricMean(
  baseline: Result,
  candidate: Result,
  metric: ComparedMetric,
  rows: readonly ComparedCell[],
): GeometricMean | null {
  const logs = rows.flatMap(({ ratio }) => (ratio !== null && ratio > 0 ? [Math.log(ratio)] : []));
  if (logs.length === 0) return null;
  const centre = logs.reduce((sum, value) => sum + value, 0) / logs.length;
  const mean = { ratio: Math.exp(centre), cells: logs.length };
  const [before, after] = [errorOfRounds(baseline, metric), errorOfRounds(candidate, metric)];
  if (before === null || after === null)
    return { ...mean, low: null, high: null, pValue: null, verdict: null };

  const squared = before.squaredError + after.squaredError;
  const rounds = Math.min(before.rounds, after.rounds);
  if (squared < 1e-24) {
    const verdict = judge(mean.ratio, mean.ratio, mean.ratio, metric.derived ? fewestRepetitions : rounds);
    return { ...mean, low: mean.ratio, high: mean.ratio, pValue: Math.abs(centre) < 1e-12 ? 1 : 0, verdict };
  }
  const df =
    squared ** 2 /
    (before.squaredError ** 2 / (before.rounds - 1) + after.squaredError ** 2 / (after.rounds - 1));
  const error = Math.sqrt(squared);
  const interval = (tail: number) => {
    const reach = studentTCritical(tail, df) * error;
    return [Math.exp(centre - reach), Math.exp(centre + reach)] as const;
  };
  const [low, high] = interval(significance / 2);
  // Equivalence at 5% is the 90% interval within the margin (two one-sided tests).
  const [narrowLow, narrowHigh] = interval(significance);
  const changed = judge(mean.ratio, low, high, rounds);
  const same = narrowLow > 1 / (1 + margin) && narrowHigh < 1 + margin;
  return {
    ...mean,
    low,
    high,
    pValue: 2 * studentTUpperTail(Math.abs(centre) / error, df),
    verdict: changed === '~' && same ? 'same' : changed,
  };
}

function judge(ratio: number, low: number, high: number, rounds: number): ComparisonVerdict | null {
  if (rounds < fewestRepetitions) return null;
  const beyond = Math.abs(ratio - 1) > margin;
  if (beyond && low > 1) return 'slower';
  if (beyond && high < 1) return 'faster';
  return low === high ? 'same' : '~';
}

/** The squared standard error of a run's mean log figure, from how much its rounds differ. */
function errorOfRounds(
  result: Result,
  metric: ComparedMetric,
): { squaredError: number; rounds: number } | null {
  const { rows, cell, round, rounds, cells } = observe(result);
  const batches = batchByCell(result);
  const logs = Float64Array.from(rows, (row) => {
    const value = metric.of(row, batches.get(row.cell) ?? 1);
    return value !== null && value > 0 ? Math.log(value) : Number.NaN;
  });
  const meanOf = (groups: Uint32Array, count: number) => {
    const [sums, counts] = [new Float64Array(count), new Float64Array(count)];
    for (let i = 0; i < logs.length; i++) {
      if (Number.isNaN(logs[i]!)) continue;
      sums[groups[i]!]! += logs[i]!;
      counts[groups[i]!]!++;
    }
    return { means: sums.map((sum, group) => sum / counts[group]!), counts };
  };
  const byCell = meanOf(cell, cells.length);
  for (let i = 0; i < logs.length; i++) logs[i]! -= byCell.means[cell[i]!]!;
  const { means } = meanOf(round, rounds);
  const seen = means.filter((mean) => !Number.isNaN(mean));
  if (seen.length < 2) return null;
  const centre = seen.reduce((sum, mean) => sum + mean, 0) / seen.length;
  const variance = seen.reduce((sum, mean) => sum + (mean - centre) ** 2, 0) / (seen.length - 1);
  return { squaredError: variance / seen.length, rounds: seen.length };
}
