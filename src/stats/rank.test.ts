import { describe, expect, it } from 'vitest';
import { rank, rankCorrelation } from './rank.js';

describe('ranks', () => {
  it('are shared by equal values', () => {
    expect(rank([30, 10, 20, 20])).toEqual({ ranks: [4, 1, 2.5, 2.5], ties: [1, 2, 1] });
  });

  it('correlate as published: IQ against hours of television, −29/165', () => {
    const iq = [106, 86, 100, 101, 99, 103, 97, 113, 112, 110];
    const hours = [7, 0, 27, 50, 28, 29, 20, 12, 6, 17];
    expect(rankCorrelation(iq, hours)).toBeCloseTo(-29 / 165, 12);
  });

  it('see order alone, and nothing where a side does not vary', () => {
    expect(rankCorrelation([1, 2, 3, 4], [1, 10, 100, 1e9])).toBeCloseTo(1, 12);
    expect(rankCorrelation([1, 2, 3], [3, 2, 1])).toBeCloseTo(-1, 12);
    expect(rankCorrelation([1, 2, 3], [5, 5, 5])).toBeNull();
    expect(rankCorrelation([1], [1])).toBeNull();
  });
});
