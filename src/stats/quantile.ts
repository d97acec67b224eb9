/**
 * The quantile at `probability` (0–1) by linear interpolation between order statistics: type 7 of Hyndman
 * & Fan 1996, the default of R, NumPy and Julia. `null` for no values.
 */
export function quantile(values: readonly number[], probability: number): number | null {
  if (!(probability >= 0 && probability <= 1)) {
    throw new RangeError(`a probability of ${probability} is outside 0 to 1`);
  }
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const position = (sorted.length - 1) * probability;
  const below = sorted[Math.floor(position)]!;
  const above = sorted[Math.ceil(position)]!;
  // Rounding must not carry it beyond its neighbours.
  return Math.min(above, below + (above - below) * (position - Math.floor(position)));
}

export function median(values: readonly number[]): number | null {
  return quantile(values, 0.5);
}

/** Median absolute deviation from the median, unscaled. `null` for no values. */
export function medianAbsoluteDeviation(values: readonly number[]): number | null {
  const centre = median(values);
  if (centre === null) return null;
  return median(values.map((value) => Math.abs(value - centre)));
}

/** A tail percentile (`percent` above 50), or `null` where the sample is too small for it. */
export function percentile(values: readonly number[], percent: number): number | null {
  return values.length < smallestSample(percent) ? null : quantile(values, percent / 100);
}

/**
 * The smallest sample in which at least two values lie beyond the percentile with 99% probability, so
 * that a printed tail rests on more than one request: P(Binomial(n, 1 − p) ≤ 1) ≤ 0.01. It comes to 64
 * for p90, 130 for p95 and 662 for p99.
 */
export function smallestSample(percent: number): number {
  if (!(percent > 50 && percent < 100)) throw new RangeError(`p${percent} is not between p50 and p100`);
  const within = percent / 100;
  const atMostOneBeyond = (n: number) => within ** n + n * (1 - within) * within ** (n - 1);
  let size = 1;
  while (atMostOneBeyond(size) > 0.01) size++;
  return size;
}
