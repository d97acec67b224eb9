import { normal95 } from '../stats/normal.js';
import { studentTCritical } from '../stats/student-t.js';
import { shrinkVariances } from '../stats/variance-shrinkage.js';
import type { Design } from './statistic.js';

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
  const cells = new Map<number, CellResiduals>();
  for (let i = 0; i < part.length; i++) {
    if (!measured(i)) continue;
    const residual = part[i]! - value * whole[i]!;
    const own = cells.get(cell[i]!) ?? { count: 0, sum: 0, squares: 0, whole: 0 };
    cells.set(cell[i]!, own);
    own.count++;
    own.sum += residual;
    own.squares += residual * residual;
    own.whole += whole[i]!;
  }
  const spread = design === 'sampled' ? between([...cells.values()]) : within([...cells.values()], exact);
  if (typeof spread === 'string') return { value, low: null, high: null, reason: spread };
  const reach = (spread.t * Math.sqrt(spread.variance)) / wholes;
  return { value, low: Math.max(0, value - reach), high: Math.min(1, value + reach) };
}

interface CellResiduals {
  count: number;
  sum: number;
  squares: number;
  whole: number;
}
/** Of equal repetitions nothing else is left. */
const rounding = 1e-9;

type Spread = { variance: number; t: number } | string;

function within(cells: readonly CellResiduals[], exact: boolean): Spread {
  const freedom = cells.reduce((sum, { count }) => sum + count - 1, 0);
  if (freedom === 0) {
    return exact ? { variance: 0, t: normal95 } : 'noise is not known, as no cell was repeated';
  }
  // Relative to the cell's mean, so that cells of all sizes can lend each other what they know of noise.
  const squares = Float64Array.from(cells, ({ count, sum, squares: own, whole }) => {
    const around = own - sum ** 2 / count;
    return around > rounding * own ? around / (whole / count) ** 2 : 0;
  });
  const shrunk = shrinkVariances(
    squares,
    Float64Array.from(cells, ({ count }) => count - 1),
  );
  let [variance, fourth] = [0, 0];
  for (const [c, { count, whole }] of cells.entries()) {
    const own = (whole ** 2 * shrunk[c]!) / count;
    variance += own;
    fourth += own ** 2 / Math.max(1, count - 1);
  }
  // Satterthwaite's degrees of freedom, as a few loud cells may carry the error.
  const effective = fourth === 0 ? freedom : Math.min(freedom, variance ** 2 / fourth);
  return { variance, t: studentTCritical(0.025, Math.max(1, effective)) };
}

/** With fewer cells than this they cannot stand for a population. */
const fewestCells = 10;

function between(cells: readonly CellResiduals[]): Spread {
  if (cells.length < fewestCells) return `fewer than ${fewestCells} cells cannot stand for a population`;
  let [squares, fourth] = [0, 0];
  for (const { sum } of cells) {
    squares += sum ** 2;
    fourth += sum ** 4;
  }
  // As many cells as carry the error (Kish's effective number), since a few large ones may.
  const effective = fourth === 0 ? cells.length : squares ** 2 / fourth;
  return {
    variance: (squares * cells.length) / (cells.length - 1),
    t: studentTCritical(0.025, Math.max(1, Math.min(cells.length, effective) - 1)),
  };
}
