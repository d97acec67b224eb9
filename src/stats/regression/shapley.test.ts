import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shapleyValues } from './shapley.js';

describe('Shapley values', () => {
  it('share the glove game as published: 1/6, 1/6 and 2/3', () => {
    // Two left gloves (players 0 and 1), one right (player 2); only a pair is worth anything.
    expect(shapleyValues(3, (mask) => (mask & 4 && mask & 3 ? 1 : 0))).toEqual([
      expect.closeTo(1 / 6, 12),
      expect.closeTo(1 / 6, 12),
      expect.closeTo(2 / 3, 12),
    ]);
  });

  it('share the airport game: the runway’s steps, each by those who need it', () => {
    // Littlechild & Owen 1973: costs 8, 11, 13, 18 give 2, 3, 4, 9.
    const costs = [8, 11, 13, 18];
    const worth = (mask: number) => Math.max(0, ...costs.filter((_, i) => mask & (1 << i)));
    const values = shapleyValues(4, worth);
    for (const [i, value] of [2, 3, 4, 9].entries()) expect(values[i]).toBeCloseTo(value, 12);
  });

  it('add up to what all together are worth, and give a dummy nothing', () => {
    const worths = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(worths, (worth) => {
        const values = shapleyValues(4, (mask) => worth[mask & 7]!);
        expect(values.reduce((sum, value) => sum + value, 0)).toBeCloseTo(worth[7]! - worth[0]!, 10);
        expect(values[3]).toBeCloseTo(0, 12);
      }),
    );
  });
});
