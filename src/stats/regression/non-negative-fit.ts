import { invertSymmetric } from './least-squares.js';

/**
 * Fits y ≈ Σ coefficient · column with no coefficient below 0, exactly: of all subsets of columns whose
 * least-squares fit is non-negative, the one with the least squared error (the Kuhn–Tucker point of Lawson
 * & Hanson 1974, ch. 23, found by enumeration, for at most 6 columns). The error is relative: each
 * observation is weighted by 1 ÷ fitted², settled in a few passes, as costs err in proportion. Columns and
 * y are not negative. `null` where no column can be fitted, or y is 0 throughout.
 */
export function fitNonNegative(columns: readonly ArrayLike<number>[], y: ArrayLike<number>): number[] | null {
  return settledFit(columns, y)?.best ?? null;
}

/**
 * The first coefficient of the same fit, had it not been kept from falling below 0; the others are, and the weights
 * are the same, so that where it is not negative it is that fit's own.
 */
export function firstUnbounded(columns: readonly ArrayLike<number>[], y: ArrayLike<number>): number | null {
  const settled = settledFit(columns, y);
  return settled && bestSubset(settled.gram, columns.length, 0)![0]!;
}

function settledFit(columns: readonly ArrayLike<number>[], y: ArrayLike<number>) {
  const size = columns.length;
  if (size > 6) throw new RangeError(`${size} columns have too many subsets; 6 at most`);
  const rows = y.length;
  let mean = 0;
  for (let i = 0; i < rows; i++) mean += y[i]! / rows;
  if (!(mean > 0)) return null;
  const weight = new Float64Array(rows).fill(1 / mean ** 2);
  let settled: { best: number[]; gram: number[][] } | null = null;
  for (let pass = 0; pass < 5; pass++) {
    const gram = gramOf(columns, y, weight);
    const best = bestSubset(gram, size);
    if (best === null) return settled;
    settled = { best, gram };
    for (let i = 0; i < rows; i++) {
      let fitted = 0;
      for (let a = 0; a < size; a++) fitted += best[a]! * columns[a]![i]!;
      weight[i] = 1 / Math.max(fitted, smallestFitted * mean) ** 2;
    }
  }
  return settled;
}

/** A fitted value next to 0 would otherwise outweigh all others. */
const smallestFitted = 1e-6;

/** Weighted products of all columns with each other, y the last of them. */
function gramOf(
  columns: readonly ArrayLike<number>[],
  y: ArrayLike<number>,
  weight: Float64Array,
): number[][] {
  const all = [...columns, y];
  return all.map((a, row) =>
    all.slice(0, row + 1).map((b) => {
      let sum = 0;
      for (let i = 0; i < weight.length; i++) sum += weight[i]! * a[i]! * b[i]!;
      return sum;
    }),
  );
}

/** `unbounded`: a column whose coefficient may be below 0. */
function bestSubset(gram: readonly (readonly number[])[], size: number, unbounded?: number): number[] | null {
  let best: { coefficients: number[]; explained: number } | null = null;
  for (let subset = 1; subset < 2 ** size; subset++) {
    const chosen = Array.from({ length: size }, (_, a) => a).filter((a) => subset & (1 << a));
    const inverse = invertSymmetric(chosen.map((a, k) => chosen.slice(0, k + 1).map((b) => gram[a]![b]!)));
    if (inverse === null) continue;
    const moments = chosen.map((a) => gram[size]![a]!);
    const solved = inverse.map((row) => row.reduce((sum, value, k) => sum + value * moments[k]!, 0));
    if (solved.some((value, k) => value < 0 && chosen[k] !== unbounded)) continue;
    const explained = solved.reduce((sum, value, k) => sum + value * moments[k]!, 0);
    if (best !== null && explained <= best.explained * (1 + 1e-12)) continue;
    const coefficients = new Array<number>(size).fill(0);
    for (const [k, a] of chosen.entries()) coefficients[a] = solved[k]!;
    best = { coefficients, explained };
  }
  return best?.coefficients ?? null;
}
