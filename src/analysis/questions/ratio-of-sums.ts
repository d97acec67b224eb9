import { normal95 } from '../../stats/normal.js';
import { studentTCritical } from '../../stats/student-t.js';
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

/**
 * The share of `part` in `whole` over requests, each of a cell. Its error is that of the residuals e = part −
 * share · whole (the linearised ratio of sums, Cochran 1977, ch. 6): within cells where the cells are given,
 * of whole cells where they are a sample. `exact` requests do not vary between repetitions. Values that are
 * `NaN` were not measured, and are left out.
 */
export function ratioOfSums(
  part: Float64Array,
  whole: Float64Array,
  cell: Uint32Array,
  { design, exact }: { design: Design; exact: boolean },
): Share {
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
    const residual = part[i]! - value * whole[i]!;
    const c = cell[i]!;
    cells.count[c]!++;
    cells.sum[c]! += residual;
    cells.squares[c]! += residual * residual;
    cells.whole[c]! += whole[i]!;
  }
  const spread = design === 'sampled' ? between(cells) : within(cells, exact);
  if (typeof spread === 'string') return { value, low: null, high: null, reason: spread };
  const reach = (spread.t * Math.sqrt(spread.variance)) / wholes;
  return { value, low: Math.max(0, value - reach), high: Math.min(1, value + reach) };
}

/** Per cell; a cell of count 0 has no request here. */
interface Residuals {
  count: Float64Array;
  sum: Float64Array;
  squares: Float64Array;
  whole: Float64Array;
}

/** Equal repetitions leave nothing else. */
const rounding = 1e-9;

/** The variance of a difference with its critical t; in words, why it is not known. */
type ErrorOrReason = { variance: number; t: number } | string;

function within({ count, sum, squares, whole }: Residuals, exact: boolean): ErrorOrReason {
  const freedom = count.reduce((total, n) => total + Math.max(0, n - 1), 0);
  if (freedom === 0) {
    return exact ? { variance: 0, t: normal95 } : 'noise is not known, as no cell was repeated';
  }
  // Relative to the cell's mean, so that cells of all sizes can lend each other what they know of noise.
  const relative = count.map((n, c) => {
    if (n === 0) return 0;
    const around = squares[c]! - sum[c]! ** 2 / n;
    return around > rounding * squares[c]! ? around / (whole[c]! / n) ** 2 : 0;
  });
  const { variances: shrunk, freedom: worth } = shrinkVariances(
    relative,
    count.map((n) => Math.max(0, n - 1)),
  );
  let [variance, fourth] = [0, 0];
  for (let c = 0; c < count.length; c++) {
    if (count[c] === 0) continue;
    const own = (whole[c]! ** 2 * shrunk[c]!) / count[c]!;
    variance += own;
    fourth += own ** 2 / Math.max(1, worth[c]!);
  }
  // Satterthwaite's degrees of freedom, as a few loud cells may carry the error.
  const effective = fourth === 0 ? freedom : Math.min(freedom, variance ** 2 / fourth);
  return { variance, t: studentTCritical(0.025, Math.max(1, effective)) };
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
    t: studentTCritical(0.025, Math.max(1, Math.min(cells, effective) - 1)),
  };
}
