import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mannWhitney, smallestPValue } from './mann-whitney.js';
import { createRandom } from './random.js';

describe('Mann–Whitney U', () => {
  it('gives the published p of the placenta’s permeability', () => {
    // Hollander & Wolfe 1973, p. 69, as in R's wilcox.test: W = 35, one-sided p = 0.1272.
    const atTerm = [0.8, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
    const early = [1.15, 0.88, 0.9, 0.74, 1.21];
    const test = mannWhitney(atTerm, early)!;
    expect(test).toMatchObject({ u: 35, method: 'exact' });
    expect(test.pValue / 2).toBeCloseTo(0.1272, 4);
  });

  it('has the critical values of the tables: U = 2 for 5 and 5, 23 for 10 and 10', () => {
    // Mann & Whitney 1947: at 5% two-sided the largest rejecting U. U is set by shifting one sample.
    const withU = (n: number, u: number) => {
      const second = Array.from({ length: n }, (_, i) => 10 * (i + 1));
      const first = Array.from({ length: n }, (_, i) => {
        const below = Math.min(n, Math.max(0, u - i * n));
        return 10 * below + 5 + i / n;
      });
      return mannWhitney(first, second)!;
    };
    for (const [n, u] of [
      [5, 2],
      [10, 23],
    ] as const) {
      expect(withU(n, u).u).toBe(u);
      expect(withU(n, u).pValue).toBeLessThanOrEqual(0.05);
      expect(withU(n, u + 1).pValue).toBeGreaterThan(0.05);
    }
  });

  it('corrects the variance for ties', () => {
    // By hand: ranks 1.5 1.5 4 | 4 4 6, U = 1; variance 9/12 · (7 − (6 + 24)/30) = 4.5;
    // z = (|1 − 4.5| − 0.5)/√4.5 = √2, and P(|Z| > √2) = 0.157299.
    const test = mannWhitney([1, 1, 2], [2, 2, 3])!;
    expect(test).toMatchObject({ u: 1, method: 'normal' });
    expect(test.pValue).toBeCloseTo(0.15729920705028513, 12);
  });

  it('agrees with counting every arrangement', () => {
    const samples = fc.uniqueArray(fc.integer({ min: 0, max: 999 }), { minLength: 4, maxLength: 9 });
    fc.assert(
      fc.property(samples, fc.integer({ min: 1, max: 3 }), (values, m) => {
        const test = mannWhitney(values.slice(0, m), values.slice(m))!;
        const centre = (m * (values.length - m)) / 2;
        let [extreme, all] = [0, 0];
        for (let mask = 0; mask < 2 ** values.length; mask++) {
          const chosen = values.filter((_, i) => mask & (1 << i));
          if (chosen.length !== m) continue;
          const rest = values.filter((_, i) => !(mask & (1 << i)));
          const u = chosen.reduce((sum, a) => sum + rest.filter((b) => a > b).length, 0);
          all++;
          if (Math.abs(u - centre) >= Math.abs(test.u - centre)) extreme++;
        }
        expect(test.pValue).toBeCloseTo(extreme / all, 12);
      }),
      { numRuns: 30 },
    );
  });

  it('approximates the exact p closely where both could serve', () => {
    const random = createRandom(4);
    const draw = (n: number) => Array.from({ length: n }, () => random.uniform());
    const [first, second] = [draw(50), draw(50).map((value) => value + 0.1)];
    const tied = mannWhitney([...first, first[0]!], second)!;
    expect(tied.method).toBe('normal');
    expect(Math.abs(tied.pValue - mannWhitney(first, second)!.pValue)).toBeLessThan(0.02);
  });

  it('knows the smallest p it can give', () => {
    expect(smallestPValue(5, 5)).toBeCloseTo(2 / 252, 12);
    expect(mannWhitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10])!.pValue).toBeCloseTo(smallestPValue(5, 5), 12);
    expect(smallestPValue(1, 1)).toBe(1);
  });

  it('finds nothing where all values are equal, and has no value for an empty side', () => {
    expect(mannWhitney([7, 7], [7, 7, 7])!.pValue).toBe(1);
    expect(mannWhitney([], [1])).toBeNull();
  });
});
