import { describe, expect, it } from 'vitest';
import { foldedExcess, foldedVariance, unfold } from './folded-normal.js';
import { normalSource } from './normal.js';
import { createRandom } from './random.js';

describe('the folded normal', () => {
  it('has the half-normal’s closed forms at 0', () => {
    expect(foldedExcess(0)).toBeCloseTo(Math.sqrt(2 / Math.PI), 14);
    expect(foldedVariance(0)).toBeCloseTo(1 - 2 / Math.PI, 14);
  });

  it('is the normal itself far from 0', () => {
    expect(foldedExcess(9)).toBeCloseTo(0, 15);
    expect(foldedVariance(9)).toBeCloseTo(1, 12);
  });

  it('agrees with drawing it', () => {
    const normal = normalSource(createRandom(1));
    const draws = Array.from({ length: 100_000 }, () => Math.abs(normal() + 0.7));
    const mean = draws.reduce((sum, value) => sum + value, 0) / draws.length;
    const variance = draws.reduce((sum, value) => sum + (value - mean) ** 2, 0) / draws.length;
    expect(Math.abs(mean - 0.7 - foldedExcess(0.7))).toBeLessThan(5 * Math.sqrt(variance / draws.length));
    expect(Math.abs(variance - foldedVariance(0.7))).toBeLessThan(0.02);
  });

  it('is undone', () => {
    for (const a of [0.1, 0.5, 1.3, 4]) expect(unfold(a + foldedExcess(a))).toBeCloseTo(a, 10);
    expect(unfold(0.5)).toBe(0);
  });
});
