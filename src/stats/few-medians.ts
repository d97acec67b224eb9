import type { Interval } from './bootstrap/bootstrap.js';
import { combinedVariance, reachOf } from './combined-variance.js';
import { median } from './quantile.js';

/** Variance of the median of 2, 3 and 4 standard normal values (David & Nagaraja 2003, Order Statistics, ch. 3). */
const medianVariance: Record<number, number> = { 2: 0.5, 3: 0.44867, 4: 0.2982 };

/**
 * The ratio of two medians, candidate over baseline, of fewer values than a bootstrap can be drawn from: resamples of
 * three never leave their range, which holds the true median in 75%. Student's t on the logarithm, each side's variance
 * by its own values (Welch 1947), a median's as of normal ones. `null` where a side has one value or one that is not
 * above 0.
 */
export function ratioOfFewMedians(
  baseline: readonly number[],
  candidate: readonly number[],
  level = 0.95,
): Interval | null {
  const sides = [baseline, candidate];
  if (sides.some((values) => values.length < 2 || values.some((value) => !(value > 0)))) return null;
  const error = combinedVariance(
    sides.map((values) => {
      const logs = values.map(Math.log);
      const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
      const freedom = logs.length - 1;
      const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / freedom;
      return { variance: variance * (medianVariance[logs.length] ?? Math.PI / 2 / logs.length), freedom };
    }),
  );
  const value = median(candidate)! / median(baseline)!;
  const factor = Math.exp(reachOf(error, level));
  return { value, low: value / factor, high: value * factor };
}
