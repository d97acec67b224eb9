import { describe, expect, it } from 'vitest';
import { combinedVariance, reachOf } from './combined-variance.js';

describe('the variance of a sum', () => {
  it('has the degrees of freedom of both parts where they are alike, and of the one that is all of it', () => {
    const part = { variance: 2, freedom: 4 };
    expect(combinedVariance([part, part])).toEqual({ variance: 4, freedom: 8 });
    expect(combinedVariance([part, { variance: 0, freedom: 1 }])).toEqual(part);
  });

  it('is known exactly where its parts are', () => {
    const known = { variance: 1, freedom: Number.POSITIVE_INFINITY };
    expect(combinedVariance([known, known])).toEqual({ variance: 2, freedom: Number.POSITIVE_INFINITY });
  });
});

// Percentiles of Student's t as published tables list them.
describe('the reach of a 95% interval', () => {
  it.each([
    [2, 4.303],
    [8, 2.306],
    [30, 2.042],
    [Number.POSITIVE_INFINITY, 1.96],
  ])('is t of %d degrees of freedom, %d standard errors', (freedom, t) => {
    expect(reachOf({ variance: 9, freedom })).toBeCloseTo(3 * t, 2);
  });

  it('is t at the level asked for, and nothing without variance', () => {
    expect(reachOf({ variance: 1, freedom: 10 }, 0.99)).toBeCloseTo(3.169, 3);
    expect(reachOf({ variance: 0, freedom: 1 })).toBe(0);
  });
});
