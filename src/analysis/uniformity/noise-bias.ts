import { hoover } from '../../stats/concentration.js';
import { foldedExcess, foldedVariance, unfold } from '../../stats/folded-normal.js';
import { sum } from '../../stats/sum.js';
import type { CellSample } from './cell-sample.js';
import type { Noise } from './within-cell-noise.js';

/** Cells nearer to their fair share than this many standard errors may well pay exactly it. */
const plausiblyFair = 2;

/** Relative standard error of each cell's deviation from its fair share of the work. */
export function deviationErrors({ totals, work }: CellSample, noise: Noise): Float64Array {
  const errors = new Float64Array(work.length);
  const total = sum(work);
  for (let c = 0; c < work.length; c++) {
    const ownNoise = Math.sqrt(Math.expm1(noise.cellSigma[c]! ** 2) / totals.requests[c]!);
    errors[c] = ownNoise * Math.sqrt(Math.max(0, 1 - work[c]! / total));
  }
  return errors;
}

/**
 * The cells' work were every cell fair that may be: those within two standard errors of their bill are
 * put on it. Of all patterns the data allow, it has the most cells at the kink of |deviation|, and so the
 * statistic there is the one that noise inflates most.
 */
export function fairestWork({ work, bill, rate }: CellSample, errors: Float64Array): Float64Array {
  return work.map((value, c) =>
    Math.abs(rate[c]! - 1) < plausiblyFair * rate[c]! * errors[c]! ? bill[c]! : value,
  );
}

/**
 * The other end: the least that noise can inflate the misbilled share, and the share's standard error
 * there. For given true unevenness the excess of E|deviation + noise| is convex, so it is least where all
 * cells deviate by the same number a of standard errors; a follows from the share that was observed.
 */
export function leastMisbilledBias(
  { totals, work, bill }: CellSample,
  errors: Float64Array,
): { bias: number; standardError: number } {
  const total = sum(work);
  let [errorSum, errorSquares] = [0, 0];
  for (let c = 0; c < totals.work.length; c++) {
    const half = (errors[c]! * work[c]!) / total / 2;
    errorSum += half;
    errorSquares += half * half;
  }
  if (errorSum === 0) return { bias: 0, standardError: 0 };
  const common = unfold(hoover(work, bill) / errorSum);
  return {
    bias: errorSum * foldedExcess(common),
    standardError: Math.sqrt(errorSquares * foldedVariance(common)),
  };
}
