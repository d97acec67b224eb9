import { describe, expect, it } from 'vitest';
import { firstUnbounded, fitNonNegative } from './non-negative-fit.js';

const ones = (count: number) => new Array<number>(count).fill(1);

describe('a non-negative fit', () => {
  it('recovers an intercept and a slope exactly where there is no error', () => {
    const x = [1, 2, 5, 9];
    const [intercept, slope] = fitNonNegative(
      [ones(4), x],
      x.map((value) => 60 + 0.5 * value),
    )!;
    expect(intercept).toBeCloseTo(60, 9);
    expect(slope).toBeCloseTo(0.5, 9);
  });

  it('puts 0 for what would be negative, and fits the rest without it', () => {
    // By least relative squares through the origin, y = b·x has b = Σ(y/x)/Σ1 at weights 1/x².
    const x = [1, 2, 4];
    const y = [0.5, 1.8, 4.4];
    const [intercept, slope] = fitNonNegative([ones(3), x], y)!;
    expect(intercept).toBe(0);
    expect(slope).toBeCloseTo((0.5 + 0.9 + 1.1) / 3, 8);
    expect(fitNonNegative([ones(3), x], [3, 2, 1])![1]).toBe(0);
  });

  it('weighs errors by their size: the small observations tell the intercept', () => {
    const x = [0, 1, 2, 1e6, 2e6, 3e6];
    const y = [10, 11, 12, 0.95e6, 2.1e6, 2.95e6];
    expect(Math.abs(fitNonNegative([ones(6), x], y)![0]! - 10)).toBeLessThan(0.1);
  });

  it('leaves out a column that depends on another, and knows no fit of nothing', () => {
    const fit = fitNonNegative([ones(3), ones(3)], [4, 4, 4])!;
    expect(fit[0]! + fit[1]!).toBeCloseTo(4, 9);
    expect(fitNonNegative([[0, 0]], [1, 1])).toBeNull();
    expect(fitNonNegative([ones(2)], [0, 0])).toBeNull();
    expect(fitNonNegative([ones(0)], [])).toBeNull();
  });
});

describe('a first coefficient that may fall below 0', () => {
  const x = [1, 2, 4];

  it('is the fit’s own where that is not 0', () => {
    const y = x.map((value, k) => 3 + 2 * value + [0.1, -0.1, 0.05][k]!);
    expect(firstUnbounded([ones(3), x], y)).toBe(fitNonNegative([ones(3), x], y)![0]);
  });

  it('is that of the line through costs that fall off faster than in proportion', () => {
    // At weights 1/x², as of the fit through the origin: two points of the line 2x − 1 determine it.
    expect(firstUnbounded([ones(2), [1, 4]], [1, 7])).toBeCloseTo(-1, 9);
    expect(fitNonNegative([ones(2), [1, 4]], [1, 7])![0]).toBe(0);
    expect(firstUnbounded([ones(2)], [0, 0])).toBeNull();
  });
});
