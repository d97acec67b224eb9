import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { median, medianAbsoluteDeviation, percentile, quantile, smallestSample } from './quantile.js';

const finite = fc.double({ noNaN: true, min: -1e9, max: 1e9 });

describe('quantile', () => {
  it('interpolates between order statistics like R type 7', () => {
    // quantile(c(1, 3, 4, 8), c(0, .25, .5, .9, 1), type = 7): positions 0, 0.75, 1.5, 2.7, 3.
    const values = [8, 1, 4, 3];
    const at = [0, 0.25, 0.5, 0.9, 1].map((probability) => quantile(values, probability)!);
    const expected = [1, 2.5, 3.5, 6.8, 8];
    for (const [index, value] of at.entries()) expect(value).toBeCloseTo(expected[index]!, 12);
  });

  it('sorts numbers as numbers', () => {
    expect(median([10, 9, 100])).toBe(10);
  });

  it('has no value for no values', () => {
    expect(quantile([], 0.5)).toBeNull();
    expect(medianAbsoluteDeviation([])).toBeNull();
  });

  it.each([-0.1, 1.1, Number.NaN])('refuses the probability %d', (probability) => {
    expect(() => quantile([1], probability)).toThrow(RangeError);
  });

  it('lies within the values and rises with the probability', () => {
    fc.assert(
      fc.property(
        fc.array(finite, { minLength: 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, p) => {
          const at = quantile(values, p)!;
          expect(at).toBeGreaterThanOrEqual(Math.min(...values));
          expect(at).toBeLessThanOrEqual(quantile(values, 1)!);
          // By ===, as the largest may be a zero of either sign.
          expect(quantile(values, 1) === Math.max(...values)).toBe(true);
        },
      ),
    );
  });
});

describe('median absolute deviation', () => {
  it('is that of the textbook example', () => {
    // 1, 1, 2, 2, 4, 6, 9: median 2, deviations 1, 1, 0, 0, 2, 4, 7, whose median is 1.
    expect(medianAbsoluteDeviation([1, 1, 2, 2, 4, 6, 9])).toBe(1);
  });

  it('is not moved by one wild value', () => {
    expect(medianAbsoluteDeviation([1, 2, 3, 4, 5])).toBe(medianAbsoluteDeviation([1, 2, 3, 4, 1e9]));
  });
});

describe('percentiles need their sample', () => {
  it.each([
    [90, 64],
    [95, 130],
    [99, 662],
  ])('p%d is given from %d values up', (percent, needed) => {
    const values = Array.from({ length: needed }, (_, index) => index);
    expect(smallestSample(percent)).toBe(needed);
    expect(percentile(values.slice(1), percent)).toBeNull();
    expect(percentile(values, percent)).toBeCloseTo(((needed - 1) * percent) / 100, 9);
  });
});
