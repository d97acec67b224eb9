import { combinedVariance, reachOf, type VarianceEstimate } from '../../stats/combined-variance.js';
import { sum } from '../../stats/sum.js';
import { shrinkVariances } from '../../stats/variance-shrinkage.js';
import type { Design } from '../statistic.js';

/** A share, Σ part ÷ Σ whole, with its 95% interval. */
export interface Share {
  /** `null` where the whole is 0. */
  value: number | null;
  low: number | null;
  high: number | null;
  /** Why a field is null. */
  reason?: string;
}

/** With the variance of the share; absent where there is no interval. */
export type EstimatedShare = Share & { error?: VarianceEstimate };

/**
 * The share of `part` in `whole` over requests, each of a cell. Its error is that of the residuals e = part −
 * share · whole (the linearised ratio of sums, Cochran 1977, ch. 6): within cells where the cells are given,
 * of whole cells where they are a sample. `exact` requests do not vary between repetitions. What slows a whole
 * `round` falls on part and whole alike, and is no error. Values that are `NaN` were not measured, and are left out.
 */
export function estimateShare(
  part: Float64Array,
  whole: Float64Array,
  cell: Uint32Array,
  { design, exact, round }: { design: Design; exact: boolean; round: Uint32Array },
): EstimatedShare {
  const measured = (i: number) => !Number.isNaN(part[i]!) && !Number.isNaN(whole[i]!);
  let [parts, wholes] = [0, 0];
  for (let i = 0; i < part.length; i++) {
    if (!measured(i)) continue;
    parts += part[i]!;
    wholes += whole[i]!;
  }
  if (!(wholes > 0)) return { value: null, low: null, high: null, reason: 'no work of it was measured' };
  const value = Math.min(1, parts / wholes);
  let size = 0;
  for (let i = 0; i < cell.length; i++) size = Math.max(size, cell[i]! + 1);
  const columns = () => new Float64Array(size);
  const cells: Residuals = { count: columns(), sum: columns(), squares: columns(), whole: columns() };
  for (let i = 0; i < part.length; i++) {
    if (!measured(i)) continue;
    cells.count[cell[i]!]!++;
    cells.whole[cell[i]!]! += whole[i]!;
  }
  const paces = design === 'fixed' ? pacesOf(whole, cell, round, cells) : null;
  for (let i = 0; i < part.length; i++) {
    if (!measured(i)) continue;
    const residual = (part[i]! - value * whole[i]!) / (paces === null ? 1 : paces[round[i]!]!);
    const c = cell[i]!;
    cells.sum[c]! += residual;
    cells.squares[c]! += residual * residual;
  }
  const spread = design === 'sampled' ? between(cells) : within(cells, exact, paces?.length ?? 1);
  if (typeof spread === 'string') return { value, low: null, high: null, reason: spread };
  const error = { ...spread, variance: spread.variance / wholes ** 2 };
  const reach = reachOf(error);
  return { value, low: Math.max(0, value - reach), high: Math.min(1, value + reach), error };
}

/** The share alone, as findings print it. */
export function ratioOfSums(...sums: Parameters<typeof estimateShare>): Share {
  const { error: _, ...share } = estimateShare(...sums);
  return share;
}

/** Per cell; a cell of count 0 has no request here. */
interface Residuals {
  count: Float64Array;
  sum: Float64Array;
  squares: Float64Array;
  whole: Float64Array;
}

/**
 * How slow each round was: the mean of its requests' work over their cells' means. `null` where requests are too few
 * to tell, as of cells repeated without any plan.
 */
function pacesOf(
  whole: Float64Array,
  cell: Uint32Array,
  round: Uint32Array,
  { count, whole: wholes }: Residuals,
): Float64Array | null {
  const rounds = round.reduce((most, own) => Math.max(most, own + 1), 0);
  if (rounds * 4 > sum(count)) return null;
  const [paces, requests] = [new Float64Array(rounds), new Float64Array(rounds)];
  for (let i = 0; i < whole.length; i++) {
    const mean = wholes[cell[i]!]! / count[cell[i]!]!;
    if (!(mean > 0) || Number.isNaN(whole[i]!)) continue;
    paces[round[i]!]! += whole[i]! / mean;
    requests[round[i]!]!++;
  }
  return paces.map((pace, k) => (pace > 0 ? pace / requests[k]! : 1));
}

/** Equal repetitions leave nothing else. */
const rounding = 1e-9;

/** The variance of a difference; in words, why it is not known. */
type ErrorOrReason = VarianceEstimate | string;

function within(
  { count, sum: sums, squares, whole }: Residuals,
  exact: boolean,
  rounds: number,
): ErrorOrReason {
  const repeated = count.reduce((total, n) => total + Math.max(0, n - 1), 0);
  const freedom = Math.max(0, repeated - (rounds - 1));
  if (freedom === 0) {
    return exact
      ? { variance: 0, freedom: Number.POSITIVE_INFINITY }
      : 'noise is not known, as no cell was repeated';
  }
  // Relative to the cell's mean, so that cells of all sizes can lend each other what they know of noise.
  const relative = count.map((n, c) => {
    if (n === 0) return 0;
    const around = squares[c]! - sums[c]! ** 2 / n;
    return around > rounding * squares[c]! ? around / (whole[c]! / n) ** 2 : 0;
  });
  const { variances: shrunk, freedom: worth } = shrinkVariances(
    relative,
    count.map((n) => (Math.max(0, n - 1) * freedom) / repeated),
  );
  // Satterthwaite's degrees of freedom, as a few loud cells may carry the error.
  const error = combinedVariance(
    Array.from(count, (n, c) => ({
      variance: n === 0 ? 0 : (whole[c]! ** 2 * shrunk[c]!) / n,
      freedom: Math.max(1, worth[c]!),
    })),
  );
  return { ...error, freedom: Math.max(1, Math.min(freedom, error.freedom)) };
}

/** With fewer cells than this they cannot stand for a population. */
const fewestCells = 10;

function between({ count, sum }: Residuals): ErrorOrReason {
  let [cells, squares, fourth] = [0, 0, 0];
  for (let c = 0; c < count.length; c++) {
    if (count[c] === 0) continue;
    cells++;
    squares += sum[c]! ** 2;
    fourth += sum[c]! ** 4;
  }
  if (cells < fewestCells) return `fewer than ${fewestCells} cells cannot stand for a population`;
  // As many cells as carry the error (Kish's effective number), since a few large ones may.
  const effective = fourth === 0 ? cells : squares ** 2 / fourth;
  return {
    variance: (squares * cells) / (cells - 1),
    freedom: Math.max(1, Math.min(cells, effective) - 1),
  };
}
