import type { Random } from './random.js';

/**
 * What many noisy deviations from 0 say together: a prior for the true ones as a mixture of normals around
 * 0, and with it each deviation's posterior (adaptive shrinkage, Stephens 2017, Biostatistics 18). Where
 * the noise explains what is seen, deviations shrink to 0; where it does not, they stay.
 *
 * It is here because |estimate| overstates |truth| by up to 0.8 standard errors: a sum of absolute
 * deviations (a Hoover index) can be estimated without that bias only from all of them together.
 */
export interface Shrinkage {
  /** Standard deviations of the mixture's components, the first of them 0. */
  scales: Float64Array;
  /** Their prior weights, which sum to 1. */
  weights: Float64Array;
}

/** Fewer deviations than this determine the prior as well: larger samples are thinned evenly. */
const enough = 10_000;

/** Fits the prior by EM to `deviations` with their standard `errors` (0 for one that is known exactly). */
export function fitShrinkage(deviations: ArrayLike<number>, errors: ArrayLike<number>): Shrinkage {
  const stride = Math.ceil(deviations.length / enough);
  const noisy: number[] = [];
  for (let i = 0; i < deviations.length; i += stride) if (errors[i]! > 0) noisy.push(i);
  const scales = scaleGrid(deviations, errors, noisy);
  const size = scales.length;
  const likelihood = new Float64Array(noisy.length * size);
  for (const [row, i] of noisy.entries()) {
    for (let k = 0; k < size; k++) {
      const variance = errors[i]! ** 2 + scales[k]! ** 2;
      likelihood[row * size + k] = logDensity(deviations[i]!, variance);
    }
    exponentiate(likelihood, row * size, size);
  }
  const weights = new Float64Array(size).fill(1 / size);
  const next = new Float64Array(size);
  for (let round = 0; round < 200; round++) {
    next.fill(0);
    for (let row = 0; row < noisy.length; row++) {
      let total = 0;
      for (let k = 0; k < size; k++) total += weights[k]! * likelihood[row * size + k]!;
      for (let k = 0; k < size; k++) next[k]! += (weights[k]! * likelihood[row * size + k]!) / total;
    }
    let change = 0;
    for (let k = 0; k < size; k++) {
      const weight = noisy.length === 0 ? weights[k]! : next[k]! / noisy.length;
      change += Math.abs(weight - weights[k]!);
      weights[k] = weight;
    }
    if (change < 1e-6) break;
  }
  return { scales, weights };
}

/** Draws from one deviation's posterior: `normal` gives standard normal numbers. */
export function posteriorSampler(
  { scales, weights }: Shrinkage,
  deviation: number,
  error: number,
): (random: Random, normal: () => number) => number {
  if (error === 0) return () => deviation;
  const chances = new Float64Array(scales.length);
  for (let k = 0; k < scales.length; k++) {
    chances[k] = logDensity(deviation, error ** 2 + scales[k]! ** 2) + Math.log(weights[k]!);
  }
  exponentiate(chances, 0, chances.length);
  let total = 0;
  for (const chance of chances) total += chance;
  return (random, normal) => {
    let left = random.uniform() * total;
    let component = 0;
    while (component < scales.length - 1 && left >= chances[component]!) left -= chances[component++]!;
    const kept = scales[component]! ** 2 / (scales[component]! ** 2 + error ** 2);
    return kept * deviation + Math.sqrt(kept) * error * normal();
  };
}

/** From a tenth of the smallest error to beyond the largest deviation, in steps of √2, after 0. */
function scaleGrid(deviations: ArrayLike<number>, errors: ArrayLike<number>, noisy: number[]): Float64Array {
  let smallest = Number.POSITIVE_INFINITY;
  let largest = 0;
  for (const i of noisy) {
    smallest = Math.min(smallest, errors[i]!);
    largest = Math.max(largest, Math.abs(deviations[i]!));
  }
  const scales = [0];
  if (Number.isFinite(smallest)) {
    const top = 2 * Math.max(largest, smallest);
    // At most 40 components: beyond 2²⁰ between error and deviation the steps may be coarser.
    const step = Math.max(Math.SQRT2, (top / (smallest / 10)) ** (1 / 39));
    for (let scale = smallest / 10; scale < top; scale *= step) scales.push(scale);
  }
  return Float64Array.from(scales);
}

function logDensity(deviation: number, variance: number): number {
  return -(deviation * deviation) / (2 * variance) - Math.log(variance) / 2;
}

/** Logarithms to values in place, scaled so that the largest is 1. */
function exponentiate(values: Float64Array, start: number, size: number): void {
  let largest = Number.NEGATIVE_INFINITY;
  for (let k = start; k < start + size; k++) largest = Math.max(largest, values[k]!);
  for (let k = start; k < start + size; k++) values[k] = Math.exp(values[k]! - largest);
}
