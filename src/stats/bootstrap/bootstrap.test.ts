import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.js';
import { ratioOfMedians } from './bootstrap.js';

describe('ratio of medians', () => {
  it('is exact where the values have no spread', () => {
    expect(ratioOfMedians([4, 4], [5, 5, 5], { seed: 1 })).toEqual({ value: 1.25, low: 1.25, high: 1.25 });
  });

  it('has the interval of the exact bootstrap distribution of three values', () => {
    // Of the 27 resamples of 1, 2, 3 the median is 1 in 7, 2 in 13 and 3 in 7: 0.259, 0.481, 0.259.
    const interval = (level: number) => ratioOfMedians([1], [1, 2, 3], { seed: 2, resamples: 20_000, level });
    expect(interval(0.95)).toEqual({ value: 2, low: 1, high: 3 });
    expect(interval(0.4)).toEqual({ value: 2, low: 2, high: 2 });
  });

  it('has the resampled median of an even number of values between its middle two', () => {
    // Of the 4 resamples of 1, 3 the median is 1 in one, 2 in two and 3 in one.
    const { low, high } = ratioOfMedians([1], [1, 3], { seed: 4, resamples: 20_000, level: 0.4 })!;
    expect([low, high]).toEqual([2, 2]);
    expect(ratioOfMedians([1], [1, 3], { seed: 4, resamples: 20_000 })).toEqual({
      value: 2,
      low: 1,
      high: 3,
    });
  });

  it('covers the true ratio about as often as it says', () => {
    const random = createRandom(3);
    const sample = (scale: number) => Array.from({ length: 25 }, () => scale * (1 + random.uniform()));
    let covered = 0;
    for (let trial = 0; trial < 300; trial++) {
      const { low, high } = ratioOfMedians(sample(2), sample(3), { seed: trial, resamples: 400 })!;
      if (low <= 1.5 && 1.5 <= high) covered++;
    }
    // The percentile bootstrap of a median is conservative; below 91% would be beyond three standard errors.
    expect(covered).toBeGreaterThanOrEqual(0.91 * 300);
    expect(covered).toBeLessThan(300);
  });

  it('is the same for the same seed', () => {
    const [a, b] = [
      [1, 2, 4, 8],
      [2, 3, 5, 9],
    ];
    expect(ratioOfMedians(a!, b!, { seed: 9 })).toEqual(ratioOfMedians(a!, b!, { seed: 9 }));
  });

  it.each([
    [[], [1]],
    [[1], []],
    [[0, 0], [1]],
    [[0, 1, 2], [1]],
  ])('has no value for %j against %j', (baseline, candidate) => {
    expect(ratioOfMedians(baseline, candidate, { seed: 1 })).toBeNull();
  });
});
