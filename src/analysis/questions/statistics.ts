import { combinedVariance, reachOf, type VarianceEstimate } from '../../stats/combined-variance.js';
import { normalSource } from '../../stats/normal.js';
import { createRandom, deriveSeed } from '../../stats/random.js';
import { studentTCritical } from '../../stats/student-t.js';
import type { Design } from '../statistic.js';
import { type MeasuredCell, meanOf } from './levels.js';

/** The logarithm of a ratio, and how far its 95% interval reaches each way. */
export type LogRatio =
  | { value: number; reach: number }
  | { value: number; reach: null; reason: string }
  | { value: null; reason: string };

interface Options {
  design: Design;
  /** Cells are pairs, in order. */
  matched: boolean;
}

const notRepeated = 'noise is not known, as no cell was repeated';
const fewestCells = 3;

/**
 * The mean over cells at a level ÷ that at the baseline, cells weighing alike. Where the cells are given,
 * its error is the noise of their means; where they are a sample, how the cells themselves differ, pairs
 * together (the linearised ratio of means, Cochran 1977, ch. 6).
 */
export function logRatioOfMeans(
  baseline: readonly MeasuredCell[],
  candidate: readonly MeasuredCell[],
  { design, matched }: Options,
): LogRatio {
  const means = [baseline, candidate].map((cells) => meanOf(cells.map(({ mean }) => mean)));
  const [before, after] = means as [number, number];
  if (!(before > 0 && after > 0)) return { value: null, reason: 'a side did no work' };
  const value = Math.log(after / before);
  if (design === 'sampled') {
    const errors = (cells: readonly MeasuredCell[], mean: number) =>
      cells.map((cell) => cell.mean / mean - 1);
    const [left, right] = [errors(baseline, before), errors(candidate, after)];
    const parts = matched ? [right.map((error, k) => error - left[k]!)] : [left, right];
    const fewest = Math.min(...parts.map(({ length }) => length));
    if (fewest < fewestCells)
      return { value, reach: null, reason: 'too few cells to stand for a population' };
    const variance = parts.reduce((sum, part) => sum + varianceOfMean(part), 0);
    return { value, reach: studentTCritical(0.025, fewest - 1) * Math.sqrt(variance) };
  }
  const parts: VarianceEstimate[] = [];
  for (const [side, mean] of [
    [baseline, before],
    [candidate, after],
  ] as const) {
    for (const cell of side) {
      if (cell.variance === null) return { value, reach: null, reason: notRepeated };
      parts.push({ variance: cell.variance * (cell.mean / mean / side.length) ** 2, freedom: cell.freedom });
    }
  }
  const { variance, freedom } = combinedVariance(parts);
  return { value, reach: reachOf({ variance, freedom: Math.min(freedom, baseline[0]!.noiseFreedom) }) };
}

function varianceOfMean(values: readonly number[]): number {
  const mean = meanOf(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return squares / (values.length - 1) / values.length;
}

/**
 * Coefficient of variation over cells, the part that noise between repetitions gives their means taken
 * out. `null` for fewer than three cells, or where nothing but noise is left.
 */
export function variationOf(cells: readonly MeasuredCell[]): number | null {
  return variation(
    cells.map(({ mean }) => mean),
    cells.map((cell) => cell.variance ?? 0),
  );
}

function variation(means: readonly number[], relativeVariances: readonly number[]): number | null {
  if (means.length < fewestCells) return null;
  const mean = meanOf(means);
  const spread = means.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (means.length - 1);
  const noise = meanOf(means.map((value, c) => relativeVariances[c]! * value ** 2));
  const left = (spread - noise) / mean ** 2;
  return left > 1e-18 ? Math.sqrt(left) : null;
}

const resamples = 1000;

/**
 * The ratio of two coefficients of variation. Where cells are a sample, by a jackknife of its logarithm,
 * which holds for costs of any distribution (Miller 1968), pairs left out together; where they are given,
 * by parametric bootstrap of their means' noise.
 */
export function logRatioOfVariations(
  baseline: readonly MeasuredCell[],
  candidate: readonly MeasuredCell[],
  { design, matched, seed }: Options & { seed: number },
): LogRatio {
  const [before, after] = [variationOf(baseline), variationOf(candidate)];
  if (before === null || after === null) {
    const few = Math.min(baseline.length, candidate.length) < fewestCells;
    return {
      value: null,
      reason: few ? `fewer than ${fewestCells} cells at a level` : 'at a level nothing varies but by noise',
    };
  }
  const value = Math.log(after / before);
  if (design === 'sampled') return { value, ...jackknife(baseline, candidate, matched) };
  if ([...baseline, ...candidate].some(({ variance }) => variance === null)) {
    return { value, reach: null, reason: notRepeated };
  }
  const normal = normalSource(createRandom(deriveSeed(seed, 11)));
  const redrawn = (cells: readonly MeasuredCell[]) =>
    variation(
      cells.map((cell) => cell.mean * (1 + normal() * Math.sqrt(cell.variance!))),
      // The means hold one noise already, and the draw adds another.
      cells.map((cell) => 2 * cell.variance!),
    );
  const drawn = Array.from({ length: resamples }, () => {
    const [low, high] = [redrawn(baseline), redrawn(candidate)];
    return low === null || high === null ? Number.NaN : Math.log(high / low);
  }).filter((ratio) => !Number.isNaN(ratio));
  if (drawn.length < 0.9 * resamples) {
    return { value, reach: null, reason: 'noise is as large as what varies' };
  }
  return {
    value,
    reach: reachOf({
      variance: varianceOfMean(drawn) * drawn.length,
      freedom: freedomOf(baseline, candidate),
    }),
  };
}

/** A relative change by which a slope is found. */
const step = 1e-4;

/**
 * The degrees of freedom of the cells that carry the error (Welch–Satterthwaite), each weighing as its mean moves the
 * variation, and no more than the noise was estimated with.
 */
function freedomOf(...sides: (readonly MeasuredCell[])[]): number {
  const parts = sides.flatMap((cells) => {
    const [means, noise] = [cells.map(({ mean }) => mean), cells.map((cell) => cell.variance!)];
    const log = (moved: number) =>
      Math.log(
        variation(
          means.map((mean, c) => (c === moved ? mean * (1 + step) : mean)),
          noise,
        ) ?? Number.NaN,
      );
    const atRest = log(-1);
    return cells.map(({ variance, freedom }, c) => ({
      variance: ((log(c) - atRest) / step) ** 2 * variance!,
      freedom,
    }));
  });
  const { freedom } = combinedVariance(parts);
  return Number.isNaN(freedom) ? 1 : Math.max(1, Math.min(freedom, sides[0]![0]!.noiseFreedom));
}

function jackknife(
  baseline: readonly MeasuredCell[],
  candidate: readonly MeasuredCell[],
  matched: boolean,
): { reach: number } | { reach: null; reason: string } {
  const without = (cells: readonly MeasuredCell[]) =>
    cells.map((_, left) => variationOf(cells.filter((__, c) => c !== left)) ?? Number.NaN);
  const logs = [baseline, candidate].map((cells) => without(cells).map(Math.log)) as [number[], number[]];
  const parts = matched ? [logs[1].map((log, k) => log - logs[0][k]!)] : logs;
  if (parts.flat().some(Number.isNaN)) {
    return { reach: null, reason: 'too few cells to stand for a population' };
  }
  // (n − 1)/n Σ (θ₋ᵢ − θ̄)², and the sides apart from each other where they are not pairs.
  const variance = parts.reduce((sum, part) => sum + varianceOfMean(part) * (part.length - 1) ** 2, 0);
  const fewest = Math.min(...parts.map(({ length }) => length));
  return { reach: studentTCritical(0.025, fewest - 1) * Math.sqrt(variance) };
}
