import { combinedVariance } from '../../stats/combined-variance.js';
import { hoover } from '../../stats/concentration.js';
import { foldedExcess, foldedVariance, unfold } from '../../stats/folded-normal.js';
import { sum } from '../../stats/sum.js';
import type { CellSample } from './cell-sample.js';
import type { Noise } from './within-cell-noise.js';

/** Cells nearer to their fair share than this many standard errors may well pay exactly it. */
const plausiblyFair = 2;

/** Relative standard error of each cell's deviation from its fair share of the work. */
export function deviationErrors(
  { totals, work }: CellSample,
  noise: Noise,
  sigmas: Float64Array = noise.cellSigma,
): Float64Array {
  const errors = new Float64Array(work.length);
  const total = sum(work);
  for (let c = 0; c < work.length; c++) {
    const repeated = Math.expm1(sigmas[c]! ** 2) / totals.requests[c]!;
    const attributed = Math.expm1((noise.attribution?.[c] ?? 0) ** 2);
    errors[c] = Math.sqrt(repeated + attributed) * Math.sqrt(Math.max(0, 1 - work[c]! / total));
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
 * The cells' work were all those equally dear that may be: by rising rate, cells within two standard errors
 * of their group's middle work at its mean rate. A measure of order, as the Gini coefficient, has a kink
 * wherever two cells tie, fair or not, and noise inflates it most there.
 */
export function tiedWork(sample: CellSample, errors: Float64Array): Float64Array {
  const { work, bill, rate } = sample;
  const order = sample.order();
  const tied = new Float64Array(work.length);
  for (let first = 0, next = 0; first < order.length; first = next) {
    let [worked, billed] = [0, 0];
    for (next = first; next < order.length; next++) {
      const c = order[next]!;
      if (rate[c]! - rate[order[first]!]! > 2 * plausiblyFair * rate[c]! * errors[c]!) break;
      worked += work[c]!;
      billed += bill[c]!;
    }
    for (let k = first; k < next; k++) tied[order[k]!] = (worked / billed) * bill[order[k]!]!;
  }
  return tied;
}

/**
 * The degrees of freedom of the cells that carry the noise (Welch–Satterthwaite), whether they weigh as their
 * work or alike, and no more than the noise was estimated with. The size of attribution's error is known.
 */
export function noiseFreedom(
  sample: CellSample,
  noise: Noise,
  cells: { sigma: Float64Array; freedom: Float64Array },
): number {
  const all = deviationErrors(sample, noise, cells.sigma);
  const repeated = deviationErrors(sample, { ...noise, attribution: null }, cells.sigma);
  const worth = (weight: (c: number) => number) => {
    const own = combinedVariance(
      Array.from(repeated, (error, c) => ({
        variance: (weight(c) * error) ** 2,
        freedom: cells.freedom[c]!,
      })),
    );
    const freedom = Math.min(noise.degreesOfFreedom, own.freedom);
    if (noise.attribution === null) return freedom;
    const variance = all.reduce((sum, error, c) => sum + (weight(c) * error) ** 2, 0);
    return own.variance === 0 ? Number.POSITIVE_INFINITY : freedom * (variance / own.variance) ** 2;
  };
  return Math.min(
    worth((c) => sample.work[c]!),
    worth(() => 1),
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
