import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitLinear, invertSymmetric } from './least-squares.js';

const ones = (n: number) => new Array<number>(n).fill(1);

describe('weighted least squares', () => {
  it('reproduces Anscombe’s first quartet: intercept 3.00, slope 0.500', () => {
    // Anscombe 1973, The American Statistician 27: to more digits 3.0000909 and 0.5000909.
    const x = [10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5];
    const y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
    const fit = fitLinear([ones(11), x], y)!;
    expect(fit.coefficients[0]).toBeCloseTo(3.0000909, 6);
    expect(fit.coefficients[1]).toBeCloseTo(0.5000909, 6);
    // h = 1/n + (x − x̄)²/Sxx, with x̄ = 9 and Sxx = 110.
    expect(fit.leverage[5]).toBeCloseTo(1 / 11 + 25 / 110, 12);
  });

  it('weights an observation as so many equal ones', () => {
    const weighted = fitLinear([ones(3), [1, 2, 4]], [1, 3, 4], [1, 3, 2])!;
    const repeated = fitLinear([ones(6), [1, 2, 2, 2, 4, 4]], [1, 3, 3, 3, 4, 4])!;
    expect(weighted.coefficients[0]).toBeCloseTo(repeated.coefficients[0]!, 12);
    expect(weighted.coefficients[1]).toBeCloseTo(repeated.coefficients[1]!, 12);
  });

  it('has leverages that predict what leaving an observation out gives', () => {
    // Squares of numbers below 1e-150 are no numbers of full precision, nor those that are fitted to them.
    const number = fc
      .double({ min: -10, max: 10, noNaN: true })
      .map((value) => (Math.abs(value) < 1e-150 ? 0 : value));
    const points = fc.array(fc.tuple(number, number), { minLength: 5, maxLength: 12 });
    fc.assert(
      fc.property(points, fc.nat(4), (observations, out) => {
        const [x, y] = [observations.map((o) => o[0]), observations.map((o) => o[1])];
        const all = fitLinear([ones(x.length), x], y);
        const held = fitLinear(
          [ones(x.length), x],
          y,
          x.map((_, i) => (i === out ? 0 : 1)),
        );
        fc.pre(all !== null && held !== null && all.leverage[out]! < 0.99);
        const deleted = (y[out]! - all!.fitted[out]!) / (1 - all!.leverage[out]!);
        expect(deleted).toBeCloseTo(y[out]! - held!.fitted[out]!, 5);
      }),
    );
  });

  it.each([1e-79, 1e-81, 1e-150, 1e79, 1e150])('fits alike in units of %f', (unit) => {
    const [x, y] = [
      [1, 2, 4, 3, 7],
      [1, -2, 3, 0.5, 4],
    ];
    const plain = fitLinear([ones(5), x], y)!;
    const fit = fitLinear([ones(5), x.map((value) => value * unit)], y)!;
    expect(fit.coefficients[1]! * unit).toBeCloseTo(plain.coefficients[1]!, 12);
    for (const [i, value] of plain.fitted.entries()) expect(fit.fitted[i]).toBeCloseTo(value, 12);
    for (const [i, value] of plain.leverage.entries()) expect(fit.leverage[i]).toBeCloseTo(value, 12);
  });

  it('says that dependent columns determine nothing, whatever their units', () => {
    expect(
      fitLinear(
        [
          [1, 2, 3],
          [2e9, 4e9, 6e9],
        ],
        [1, 2, 3],
      ),
    ).toBeNull();
    expect(fitLinear([[0, 0, 0]], [1, 2, 3])).toBeNull();
    expect(fitLinear([[1e-9, 2e-9, 4e-9], ones(3)], [1, 2, 4])!.coefficients[0]).toBeCloseTo(1e9, 0);
  });

  it('inverts the Hilbert matrix of order 3', () => {
    const hilbert = [0, 1, 2].map((i) => [0, 1, 2].map((j) => 1 / (i + j + 1)));
    const inverse = invertSymmetric(hilbert)!;
    const known = [9, -36, 30, -36, 192, -180, 30, -180, 180];
    for (const [i, value] of inverse.flat().entries()) expect(value).toBeCloseTo(known[i]!, 8);
  });
});
