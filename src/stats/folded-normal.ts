import { normalDensity, normalUpperTail } from './normal.js';

/** The excess of the mean of |N(a, 1)| over |a|: 0.80 at 0, gone beyond 3 (Leone et al. 1961). */
export function foldedExcess(a: number): number {
  const size = Math.abs(a);
  return 2 * normalDensity(size) - 2 * size * normalUpperTail(size);
}

/** The a ≥ 0 at which |N(a, 1)| has the given mean; 0 where no a has so small a one. */
export function unfold(mean: number): number {
  if (mean <= foldedExcess(0)) return 0;
  // a + excess(a) rises with a, and lies between a and a + excess(0).
  let [low, high] = [mean - foldedExcess(0), mean];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (middle + foldedExcess(middle) < mean) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Variance of |N(a, 1)|: 1 − 2/π at 0, 1 far from it. */
export function foldedVariance(a: number): number {
  return 1 + a * a - (Math.abs(a) + foldedExcess(a)) ** 2;
}
