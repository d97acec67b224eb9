import { normalSource } from './normal.js';
import type { Random } from './random.js';

/** A number of the exponential distribution with mean 1, by inversion. */
export function exponential(random: Random): number {
  // 1 − u lies in (0, 1], where the logarithm is finite.
  return -Math.log(1 - random.uniform());
}

/**
 * A source of gamma numbers of the given shape and mean 1: Marsaglia & Tsang's method (2000, "A simple method for
 * generating gamma variables"). Below a shape of 1 a number of shape + 1 is multiplied by u^(1/shape), as in their
 * section 6.
 */
export function gammaSource(random: Random, shape: number): () => number {
  if (!(shape > 0 && shape < Number.POSITIVE_INFINITY)) {
    throw new RangeError(`a gamma distribution has no shape of ${shape}`);
  }
  const boosted = shape < 1;
  const normal = normalSource(random);
  const d = (boosted ? shape + 1 : shape) - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  const atLeastOne = () => {
    for (;;) {
      const z = normal();
      const v = (1 + c * z) ** 3;
      if (v <= 0) continue;
      if (Math.log(1 - random.uniform()) < (z * z) / 2 + d - d * v + d * Math.log(v)) return d * v;
    }
  };
  if (!boosted) return () => atLeastOne() / shape;
  return () => (atLeastOne() * (1 - random.uniform()) ** (1 / shape)) / shape;
}
