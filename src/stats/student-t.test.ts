import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { studentTCritical, studentTUpperTail } from './student-t.js';

describe("Student's t", () => {
  it('is the Cauchy distribution with one degree of freedom', () => {
    for (const t of [-30, -1, 0, 0.5, 2, 1000]) {
      expect(studentTUpperTail(t, 1)).toBeCloseTo(0.5 - Math.atan(t) / Math.PI, 13);
    }
  });

  it('has its closed form with two degrees of freedom', () => {
    for (const t of [-5, -0.3, 0, 1, 4, 50]) {
      expect(studentTUpperTail(t, 2)).toBeCloseTo(0.5 - t / (2 * Math.sqrt(2 + t * t)), 13);
    }
  });

  it.each([
    // NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2.
    [0.05, 1, 6.314],
    [0.025, 1, 12.706],
    [0.05, 5, 2.015],
    [0.025, 10, 2.228],
    [0.01, 10, 2.764],
    [0.005, 30, 2.75],
    [0.05, 100, 1.66],
    [0.001, 20, 3.552],
  ])('leaves %d beyond the tabled value for %d degrees of freedom, %d', (tail, df, critical) => {
    expect(studentTCritical(tail, df)).toBeCloseTo(critical, 3);
  });

  it.each([
    // scipy.stats.t.sf 1.17.
    [2.5, 7.3, 0.019825117332800214],
    [40, 3, 1.7190340394579253e-5],
    [0.1, 200, 0.4602222462521605],
    [12, 1000, 2.1620286933872145e-31],
  ])('agrees with SciPy at t = %d, df = %d', (t, df, tail) => {
    expect(studentTUpperTail(t, df) / tail).toBeCloseTo(1, 10);
  });

  it('is symmetric, and its critical value leads back to the tail', () => {
    const df = fc.double({ min: 0.5, max: 500, noNaN: true });
    fc.assert(
      fc.property(fc.double({ min: 0.001, max: 0.49, noNaN: true }), df, (tail, freedom) => {
        const critical = studentTCritical(tail, freedom);
        expect(studentTUpperTail(critical, freedom)).toBeCloseTo(tail, 10);
        expect(studentTUpperTail(-critical, freedom)).toBeCloseTo(1 - tail, 10);
      }),
    );
  });

  it('refuses what is no distribution or no tail', () => {
    expect(() => studentTUpperTail(1, 0)).toThrow(RangeError);
    expect(() => studentTCritical(0.5, 3)).toThrow(RangeError);
  });
});
