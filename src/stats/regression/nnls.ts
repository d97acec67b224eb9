import { invertSymmetric } from './least-squares.js';

/**
 * The x ≥ 0 with the least |Ax − b|², from the normal equations alone: `gram` = AᵀA and `moments` = Aᵀb. By the active
 * sets of Lawson & Hanson 1974, Solving Least Squares Problems, ch. 23; it ends where the Kuhn–Tucker conditions hold
 * (x ≥ 0, Aᵀ(b − Ax) ≤ 0, and = 0 wherever x > 0), which only the optimum fulfils. A column that depends on those
 * already in keeps the coefficient 0.
 */
export function nonNegativeLeastSquares(
  gram: readonly (readonly number[])[],
  moments: readonly number[],
): number[] {
  const size = moments.length;
  const x = new Array<number>(size).fill(0);
  const passive = new Set<number>();
  const dependent = new Set<number>();
  // Each pass lowers the error, so that no set comes twice; the bound is of rounding alone.
  for (let pass = 0; pass < 10 * size + 10; pass++) {
    const entering = steepest(gram, moments, x, (at) => passive.has(at) || dependent.has(at));
    if (entering === null) break;
    passive.add(entering);
    for (;;) {
      const chosen = [...passive];
      const solved = solveOn(gram, moments, chosen);
      if (solved === null) {
        passive.delete(entering);
        dependent.add(entering);
        break;
      }
      const step = longestStep(x, chosen, solved);
      for (const [k, at] of chosen.entries()) x[at]! += step * (solved[k]! - x[at]!);
      if (step === 1) break;
      for (const [k, at] of chosen.entries()) {
        if (solved[k]! > 0 || x[at]! > 1e-12 * Math.abs(solved[k]!)) continue;
        x[at] = 0;
        passive.delete(at);
      }
    }
  }
  return x;
}

/** The column whose coefficient the error falls by fastest, each measured by its own length; null at the optimum. */
function steepest(
  gram: readonly (readonly number[])[],
  moments: readonly number[],
  x: readonly number[],
  isTaken: (at: number) => boolean,
): number | null {
  let best: number | null = null;
  let most = 0;
  for (const [at, moment] of moments.entries()) {
    const length = Math.sqrt(gram[at]![at]!);
    if (isTaken(at) || !(length > 0)) continue;
    let slope = moment;
    let magnitude = Math.abs(moment);
    for (const [other, value] of x.entries()) {
      slope -= gram[at]![other]! * value;
      magnitude += Math.abs(gram[at]![other]! * value);
    }
    // Less than this is what rounding leaves of the terms that cancel.
    if (slope <= 1e-11 * magnitude || slope / length <= most) continue;
    most = slope / length;
    best = at;
  }
  return best;
}

function solveOn(
  gram: readonly (readonly number[])[],
  moments: readonly number[],
  chosen: readonly number[],
): number[] | null {
  const inverse = invertSymmetric(chosen.map((a) => chosen.map((b) => gram[a]![b]!)));
  return inverse?.map((row) => row.reduce((sum, value, k) => sum + value * moments[chosen[k]!]!, 0)) ?? null;
}

/** How far of the way to `solved` no coefficient falls below 0, at most 1. */
function longestStep(x: readonly number[], chosen: readonly number[], solved: readonly number[]): number {
  let step = 1;
  for (const [k, at] of chosen.entries()) {
    if (solved[k]! <= 0) step = Math.min(step, x[at]! / (x[at]! - solved[k]!));
  }
  return step;
}
