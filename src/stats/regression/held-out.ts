import type { LinearFit } from './least-squares.js';

/**
 * Predictive R² of a linear fit, each observation predicted from all others: 1 − Σ w·(e/(1−h))² / Σ w·(y−ȳ)²
 * (Allen's PRESS 1974; exact for least squares, no refitting). At most 1; below 0 where the mean of all
 * predicts better. `null` where y does not vary or one observation alone fixes a coefficient.
 */
export function heldOutRSquared(
  fit: LinearFit,
  y: ArrayLike<number>,
  weights?: ArrayLike<number>,
): number | null {
  let total = 0;
  let mean = 0;
  for (let i = 0; i < y.length; i++) {
    total += weights?.[i] ?? 1;
    mean += (weights?.[i] ?? 1) * y[i]!;
  }
  mean /= total;
  let squares = 0;
  let errors = 0;
  for (let i = 0; i < y.length; i++) {
    const weight = weights?.[i] ?? 1;
    if (weight === 0) continue;
    if (fit.leverage[i]! > 1 - 1e-9) return null;
    squares += weight * (y[i]! - mean) ** 2;
    errors += weight * ((y[i]! - fit.fitted[i]!) / (1 - fit.leverage[i]!)) ** 2;
  }
  // Equal values leave rounding, not variance, around their mean.
  return squares <= 1e-20 * total * mean * mean ? null : 1 - errors / squares;
}
