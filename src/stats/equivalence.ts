import { studentTCritical, studentTUpperTail } from './student-t.js';

export interface Equivalence {
  /** Geometric mean of the candidate over that of the baseline. */
  ratio: number;
  /** The 1 − 2·level interval of the ratio (90% at the usual 5%); equivalent where it lies within the margin. */
  low: number;
  high: number;
  /** The larger of the two one-sided p-values. */
  pValue: number;
  equivalent: boolean;
}

/**
 * Two one-sided t-tests (Schuirmann 1987) on logarithms, with Welch's unequal variances: is the ratio of
 * the two geometric means within 1/(1+margin) … 1+margin? Unlike a difference test that found nothing,
 * too few or too noisy values end in "not shown", never in "equivalent".
 *
 * `null` with fewer than two values on a side, or with a value that has no logarithm (0 or below).
 */
export function testEquivalence(
  baseline: readonly number[],
  candidate: readonly number[],
  { margin = 0.05, level = 0.05 }: { margin?: number; level?: number } = {},
): Equivalence | null {
  if (!(margin > 0)) throw new RangeError(`a margin of ${margin} is not above 0`);
  if (baseline.length < 2 || candidate.length < 2) return null;
  if (![...baseline, ...candidate].every((value) => value > 0 && Number.isFinite(value))) return null;

  const before = logMoments(baseline);
  const after = logMoments(candidate);
  const difference = after.mean - before.mean;
  const limit = Math.log1p(margin);
  const squaredError = before.squaredError + after.squaredError;
  if (squaredError === 0) {
    // Values without any spread (counts, say): the difference is known exactly.
    const ratio = Math.exp(difference);
    const equivalent = Math.abs(difference) < limit;
    return { ratio, low: ratio, high: ratio, pValue: equivalent ? 0 : 1, equivalent };
  }

  // Welch–Satterthwaite.
  const df =
    squaredError ** 2 /
    (before.squaredError ** 2 / (baseline.length - 1) + after.squaredError ** 2 / (candidate.length - 1));
  const error = Math.sqrt(squaredError);
  const belowTheTop = studentTUpperTail((limit - difference) / error, df);
  const aboveTheBottom = studentTUpperTail((difference + limit) / error, df);
  const pValue = Math.max(belowTheTop, aboveTheBottom);
  const reach = studentTCritical(level, df) * error;
  return {
    ratio: Math.exp(difference),
    low: Math.exp(difference - reach),
    high: Math.exp(difference + reach),
    pValue,
    equivalent: pValue < level,
  };
}

/** The mean of the logarithms and the square of its standard error. */
function logMoments(values: readonly number[]): { mean: number; squaredError: number } {
  const logs = values.map(Math.log);
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  const squares = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0);
  return { mean, squaredError: squares / (logs.length - 1) / logs.length };
}
