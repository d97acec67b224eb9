import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nonNegativeLeastSquares } from './nnls.js';

const normal = (columns: readonly (readonly number[])[], y: readonly number[]) => {
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
  return {
    gram: columns.map((a) => columns.map((b) => dot(a, b))),
    moments: columns.map((a) => dot(a, y)),
  };
};

describe('non-negative least squares', () => {
  it('is the plain solution where that is not negative', () => {
    // The line through (1, 3), (2, 5), (3, 7).
    const { gram, moments } = normal(
      [
        [1, 1, 1],
        [1, 2, 3],
      ],
      [3, 5, 7],
    );
    const [intercept, slope] = nonNegativeLeastSquares(gram, moments);
    expect(intercept).toBeCloseTo(1, 10);
    expect(slope).toBeCloseTo(2, 10);
  });

  it.each([
    // The examples in the documentation of scipy.optimize.nnls: A = [[1, 0], [1, 0], [0, 1]].
    { y: [2, 1, 1], x: [1.5, 1] },
    { y: [-1, -1, -1], x: [0, 0] },
  ])('gives $x for $y, as SciPy documents', ({ y, x }) => {
    const { gram, moments } = normal(
      [
        [1, 1, 0],
        [0, 0, 1],
      ],
      y,
    );
    for (const [at, value] of nonNegativeLeastSquares(gram, moments).entries())
      expect(value).toBeCloseTo(x[at]!, 10);
  });

  it('fulfils the Kuhn–Tucker conditions, whatever the columns', () => {
    const number = fc.double({ min: -1, max: 1, noNaN: true }).map((v) => Math.round(v * 1e4) / 1e4);
    const rows = fc.array(fc.array(number, { minLength: 6, maxLength: 6 }), { minLength: 5, maxLength: 12 });
    fc.assert(
      fc.property(rows, (table) => {
        const columns = [0, 1, 2, 3, 4].map((c) => table.map((row) => row[c]!));
        const { gram, moments } = normal(
          columns,
          table.map((row) => row[5]!),
        );
        const x = nonNegativeLeastSquares(gram, moments);
        for (const [at, moment] of moments.entries()) {
          expect(x[at]).toBeGreaterThanOrEqual(0);
          const slope = moment - gram[at]!.reduce((sum, g, k) => sum + g * x[k]!, 0);
          const scale = 1e-6 * (1 + Math.max(...x));
          expect(slope).toBeLessThanOrEqual(scale);
          if (x[at]! > 0) expect(Math.abs(slope)).toBeLessThanOrEqual(scale);
        }
      }),
    );
  });

  it('gives a column that depends on another nothing of its own, and one of zeros none', () => {
    const { gram, moments } = normal(
      [
        [1, 2],
        [2, 4],
        [0, 0],
      ],
      [3, 6],
    );
    const x = nonNegativeLeastSquares(gram, moments);
    expect(x[0]! + 2 * x[1]!).toBeCloseTo(3, 10);
    expect(x[2]).toBe(0);
  });
});
