import { factorOf } from '../uniformity/cell-error.js';

/** A figure over repetitions, with its 95% interval; `null` for one, and where they leave it open by a factor of ten. */
export interface Repeated {
  value: number;
  low: number | null;
  high: number | null;
}

/**
 * A mean or a ratio of means, by Student's t on the logarithm, whose error is that of the `deviations`: relative, a
 * round each. Of a ratio they are its two sides' differences (the linearised ratio, Cochran 1977, ch. 6), in which
 * what slows a whole round cancels.
 */
export function repeated(value: number, deviations: readonly number[]): Repeated {
  const freedom = deviations.length - 1;
  if (freedom < 1) return { value, low: null, high: null };
  const mean = meanOf(deviations);
  const squares = deviations.reduce((sum, deviation) => sum + (deviation - mean) ** 2, 0);
  const factor = factorOf({ variance: squares / freedom / deviations.length, freedom });
  return factor === null
    ? { value, low: null, high: null }
    : { value, low: value / factor, high: value * factor };
}

/** The mean over repetitions; `null` where one of them has no figure. */
export function repeatedMean(values: readonly (number | null)[]): Repeated | null {
  const known = values.filter((value) => value !== null);
  if (known.length === 0 || known.length < values.length) return null;
  const mean = meanOf(known);
  if (mean === 0) return { value: 0, low: 0, high: 0 };
  return repeated(
    mean,
    known.map((value) => value / mean - 1),
  );
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
