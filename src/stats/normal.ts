import type { Random } from './random.js';

/** The z that a standard normal variable stays within, on either side, with 95% probability. */
export const normal95 = 1.959963984540054;

/** Standard normal density. */
export function normalDensity(z: number): number {
  return Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
}

/**
 * P(Z > z) for a standard normal Z: the Taylor series of erf near 0, beyond it the continued fraction of
 * erfc (DLMF 7.6.1, 7.9.1). Exact to about 1e-14, relative in the tail.
 */
export function normalUpperTail(z: number): number {
  if (Number.isNaN(z)) return Number.NaN;
  if (z < 0) return 1 - normalUpperTail(-z);
  if (z < 2.5) {
    let term = z;
    let sum = z;
    for (let k = 1; Math.abs(term) > 1e-17 * Math.abs(sum); k++) {
      term *= (-z * z) / (2 * k);
      sum += term / (2 * k + 1);
    }
    return 0.5 - sum / Math.sqrt(2 * Math.PI);
  }
  let fraction = 0;
  for (let k = 200; k >= 1; k--) fraction = k / (z + fraction);
  return normalDensity(z) / (z + fraction);
}

/** A source of standard normal numbers: Marsaglia & Bray's polar method, which makes two at a time. */
export function normalSource(random: Random): () => number {
  let spare: number | null = null;
  return () => {
    if (spare !== null) {
      const kept = spare;
      spare = null;
      return kept;
    }
    for (;;) {
      const u = 2 * random.uniform() - 1;
      const v = 2 * random.uniform() - 1;
      const square = u * u + v * v;
      if (square >= 1 || square === 0) continue;
      const scale = Math.sqrt((-2 * Math.log(square)) / square);
      spare = v * scale;
      return u * scale;
    }
  };
}

/**
 * A source of Student t numbers with `df` degrees of freedom, scaled to unit variance (`df` above 2):
 * Bailey's polar method (1994), which needs no gamma numbers.
 */
export function scaledStudentSource(random: Random, df: number): () => number {
  const scale = Math.sqrt((df - 2) / df);
  return () => {
    const u = 1 - random.uniform();
    return scale * Math.sqrt(df * (u ** (-2 / df) - 1)) * Math.cos(2 * Math.PI * random.uniform());
  };
}

/** A chi-squared number: a sum of squares up to 30 degrees of freedom, Wilson & Hilferty's cube beyond. */
export function chiSquared(df: number, normal: () => number): number {
  if (df > 30) {
    const ninth = 2 / (9 * df);
    return df * Math.max(0, 1 - ninth + normal() * Math.sqrt(ninth)) ** 3;
  }
  let sum = 0;
  for (let k = 0; k < df; k++) sum += normal() ** 2;
  return sum;
}

/** The z with P(Z ≤ z) = `probability`, by bisection of the tail, to about 1e-14. */
export function normalQuantile(probability: number): number {
  if (!(probability > 0 && probability < 1)) {
    throw new RangeError(`a probability of ${probability} has no finite quantile`);
  }
  let [low, high] = [-40, 40];
  for (let halving = 0; halving < 60; halving++) {
    const middle = (low + high) / 2;
    if (normalUpperTail(-middle) < probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
