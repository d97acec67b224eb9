import { studentTCritical } from './student-t.js';

/** A variance that was estimated, and the degrees of freedom it is worth; infinite where it is known. */
export interface VarianceEstimate {
  variance: number;
  freedom: number;
}

/**
 * The variance of a sum of independent parts, with the degrees of freedom of Welch and Satterthwaite:
 * (Σ v)² / Σ v²/df.
 */
export function combinedVariance(parts: Iterable<VarianceEstimate>): VarianceEstimate {
  let [variance, fourth] = [0, 0];
  for (const { variance: own, freedom } of parts) {
    variance += own;
    fourth += own ** 2 / freedom;
  }
  return { variance, freedom: fourth === 0 ? Number.POSITIVE_INFINITY : variance ** 2 / fourth };
}

/** Degrees of freedom beyond which Student's t is the normal, to the precision of its tails here. */
const asGoodAsNormal = 1e9;

/** How far an interval reaches each way at the two-sided `level`: t times the standard error. */
export function reachOf({ variance, freedom }: VarianceEstimate, level = 0.95): number {
  if (variance === 0) return 0;
  return studentTCritical((1 - level) / 2, Math.min(asGoodAsNormal, freedom)) * Math.sqrt(variance);
}
