import { describe, expect, it } from 'vitest';
import {
  chiSquared,
  normal95,
  normalDensity,
  normalSource,
  normalUpperTail,
  scaledStudentSource,
} from './normal.js';
import { createRandom } from './random.js';

describe('the standard normal', () => {
  // Abramowitz & Stegun, tables 26.1 and 26.2.
  it.each([
    [0, 0.5],
    [1, 0.158655253931457],
    [2, 0.02275013194817921],
    [2.4, 0.008197535924596131],
    [3, 0.0013498980316301],
    [5, 2.866515718791939e-7],
    [8, 6.220960574271785e-16],
  ])('exceeds %d with probability %d', (z, tail) => {
    expect(normalUpperTail(z) / tail).toBeCloseTo(1, 11);
    expect(normalUpperTail(-z)).toBeCloseTo(1 - tail, 14);
  });

  it('has 95% within its own bound, and density 1/√2π at 0', () => {
    expect(normalUpperTail(normal95)).toBeCloseTo(0.025, 14);
    expect(normalDensity(0)).toBeCloseTo(0.3989422804014327, 15);
  });

  it('is drawn with the moments 0, 1, 0 and 3', () => {
    const draw = normalSource(createRandom(1));
    const sums = [0, 0, 0, 0];
    const n = 200_000;
    for (let i = 0; i < n; i++) {
      const z = draw();
      for (let power = 1; power <= 4; power++) sums[power - 1]! += z ** power / n;
    }
    // Five standard errors each: the k-th moment's variance is E z^2k − (E z^k)².
    expect(Math.abs(sums[0]!)).toBeLessThan(5 * Math.sqrt(1 / n));
    expect(Math.abs(sums[1]! - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    expect(Math.abs(sums[2]!)).toBeLessThan(5 * Math.sqrt(15 / n));
    expect(Math.abs(sums[3]! - 3)).toBeLessThan(5 * Math.sqrt(96 / n));
  });

  it('has a Student t beside it with unit variance and kurtosis 3 + 6/(df − 4)', () => {
    const draw = scaledStudentSource(createRandom(2), 20);
    const draws = Array.from({ length: 200_000 }, draw);
    const moment = (power: number) => draws.reduce((sum, value) => sum + value ** power, 0) / draws.length;
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.02);
    expect(Math.abs(moment(4) - 3.375)).toBeLessThan(0.25);
  });

  it.each([4, 60])('has a chi-squared of %d degrees of freedom with mean df and variance 2 df', (df) => {
    const normal = normalSource(createRandom(3));
    const draws = Array.from({ length: 50_000 }, () => chiSquared(df, normal));
    const mean = draws.reduce((sum, value) => sum + value, 0) / draws.length;
    const variance = draws.reduce((sum, value) => sum + (value - mean) ** 2, 0) / draws.length;
    expect(Math.abs(mean / df - 1)).toBeLessThan(0.02);
    expect(Math.abs(variance / (2 * df) - 1)).toBeLessThan(0.06);
  });
});
