import { describe, expect, it } from 'vitest';
import { exponential, gammaSource } from './gamma.js';
import { createRandom } from './random.js';

const draws = 40_000;

/** Largest distance of the empirical distribution from `cdf`. */
function kolmogorovSmirnov(values: readonly number[], cdf: (value: number) => number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted.reduce((largest, value, index) => {
    const expected = cdf(value);
    return Math.max(largest, expected - index / sorted.length, (index + 1) / sorted.length - expected);
  }, 0);
}

/** Exceeded once in 1,000 where the distribution is the one it is held against: √(−ln(0.0005)/2) ÷ √n. */
const bound = Math.sqrt(-Math.log(0.001 / 2) / 2 / draws);

/** Regularised lower incomplete gamma function by its series (DLMF 8.7.1), given Γ(shape + 1). */
function gammaCdf(shape: number, gammaOfNext: number) {
  return (mean1: number) => {
    const x = mean1 * shape;
    let term = 1;
    let sum = 1;
    for (let k = 1; term > 1e-16 * sum; k++) {
      term *= x / (shape + k);
      sum += term;
    }
    return (sum * x ** shape * Math.exp(-x)) / gammaOfNext;
  };
}

describe('exponential numbers', () => {
  it('have the distribution 1 − exp(−x)', () => {
    const random = createRandom(5);
    const values = Array.from({ length: draws }, () => exponential(random));
    expect(kolmogorovSmirnov(values, (x) => 1 - Math.exp(-x))).toBeLessThan(bound);
  });
});

describe('gamma numbers of mean 1', () => {
  // Γ(shape + 1) by math.gamma of Python.
  it.each([
    [16, 20922789888000],
    [1, 1],
    [1 / 4, 0.9064024770554773],
    [1 / 16, 0.9675800675995252],
  ])('of shape %d have its distribution, mean and variance 1 ÷ shape', (shape, gammaOfNext) => {
    const next = gammaSource(createRandom(8), shape);
    const values = Array.from({ length: draws }, next);
    expect(kolmogorovSmirnov(values, gammaCdf(shape, gammaOfNext))).toBeLessThan(bound);
    const mean = values.reduce((sum, value) => sum + value, 0) / draws;
    const variance = values.reduce((sum, value) => sum + (value - 1) ** 2, 0) / draws;
    // Four standard errors each: the kurtosis is 3 + 6 ÷ shape.
    expect(Math.abs(mean - 1)).toBeLessThan(4 * Math.sqrt(1 / shape / draws));
    expect(Math.abs(variance * shape - 1)).toBeLessThan(4 * Math.sqrt((2 + 6 / shape) / draws));
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('have no shape of %d', (shape) => {
    expect(() => gammaSource(createRandom(1), shape)).toThrow(RangeError);
  });
});
