import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { logBounds, logTicks } from './axes.js';

describe('logarithmic axes', () => {
  it('have ticks at 1, 2 and 5 of each decade', () => {
    expect(logTicks(15, 600)).toEqual([20, 50, 100, 200, 500]);
  });

  it('have ticks at the decades alone where there are many', () => {
    expect(logTicks(1, 1e6)).toEqual([1, 10, 100, 1000, 1e4, 1e5, 1e6]);
  });

  it('have two ticks at least, or a reader could not tell the scale', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-12, max: 1e15, noNaN: true }),
        fc.double({ min: 1, max: 1e6, noNaN: true }),
        (value, factor) => {
          const { min, max } = logBounds([value, value * factor]);
          const ticks = logTicks(min, max);
          expect(ticks.length).toBeGreaterThanOrEqual(2);
          expect(ticks.every((tick) => tick >= min && tick <= max)).toBe(true);
        },
      ),
    );
  });

  it('have bounds where there is nothing to bound', () => {
    const { min, max } = logBounds([0, Number.NaN]);
    expect(min).toBeGreaterThan(0);
    expect(max).toBeGreaterThan(min);
  });
});
