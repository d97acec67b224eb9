import { describe, expect, it } from 'vitest';
import { ratioOfFewMedians } from './few-medians.js';
import { normalSource } from './normal.js';
import { createRandom } from './random.js';

describe('the ratio of medians of few values', () => {
  it('reaches by Student’s t of both sides’ variances on the logarithm', () => {
    const [a, b] = [
      [1, Math.E, Math.E ** 2],
      [Math.E, Math.E ** 2, Math.E ** 3],
    ];
    const { value, low, high } = ratioOfFewMedians(a!, b!)!;
    expect(value).toBeCloseTo(Math.E, 12);
    // Standard deviations of 1 on either side, four degrees of freedom: t(0.975, 4) = 2.7764.
    expect(Math.log(high / value)).toBeCloseTo(2.7764 * Math.sqrt(2 * 0.44867), 3);
    expect(Math.log(value / low)).toBeCloseTo(Math.log(high / value), 12);
  });

  it.each([
    [2, 3],
    [3, 3],
    [4, 4],
    [3, 12],
  ])('of %d and %d covers the truth in 93 to 98 of 100, by 1,000 draws', (few, more) => {
    const normal = normalSource(createRandom(few + 10 * more));
    const drawn = (count: number, scale: number) =>
      Array.from({ length: count }, () => scale * Math.exp(0.05 * normal()));
    let held = 0;
    for (let draw = 0; draw < 1000; draw++) {
      const { low, high } = ratioOfFewMedians(drawn(few, 2), drawn(more, 3))!;
      if (low <= 1.5 && 1.5 <= high) held++;
    }
    expect(held / 1000).toBeGreaterThanOrEqual(0.93);
    expect(held / 1000).toBeLessThanOrEqual(0.98);
  });

  it.each([
    [[1], [1, 2]],
    [
      [1, 2],
      [0, 1],
    ],
  ])('is none for %j against %j', (baseline, candidate) => {
    expect(ratioOfFewMedians(baseline, candidate)).toBeNull();
  });
});
