import { describe, expect, it } from 'vitest';
import { tailIndex } from './tail-index.js';

describe('tail index', () => {
  it('is that of a Pareto distribution, at its quantiles', () => {
    for (const index of [1, 1.5, 4]) {
      const count = 100_000;
      const quantiles = Array.from({ length: count }, (_, k) => ((k + 0.5) / count) ** (-1 / index));
      expect(tailIndex(quantiles)!).toBeCloseTo(index, 1);
    }
  });

  it('is k over the sum of the logarithms of the largest k, five of ten values', () => {
    const values = [1, 1, 1, 1, 1, Math.E, Math.E, Math.E, Math.E, Math.E];
    expect(tailIndex(values)).toBeCloseTo(1, 12);
  });

  it('is infinite without a tail, and not known of few values or of zeros', () => {
    expect(tailIndex(new Array(20).fill(3))).toBe(Number.POSITIVE_INFINITY);
    expect(tailIndex([1, 2, 3])).toBeNull();
    expect(tailIndex(new Array(20).fill(0))).toBeNull();
  });
});
