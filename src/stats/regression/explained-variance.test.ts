import { describe, expect, it } from 'vitest';
import { explainedVariance } from './explained-variance.js';

const column = (...values: number[]) => Float64Array.from(values);
const once = (n: number) => new Array<number>(n).fill(1);

describe('explained variance of subsets', () => {
  it('is the published R² of Anscombe’s first quartet, 0.6665', () => {
    const x = column(10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5);
    const y = column(8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68);
    expect(explainedVariance([x], once(11))(y)!([0])).toBeCloseTo(0.66654, 5);
  });

  it('adds up over columns at right angles, and counts a repeated column once', () => {
    const [a, b] = [column(-1, -1, 1, 1), column(-1, 1, -1, 1)];
    // y = 2a + b: 4 and 1 of 5 parts.
    const of = explainedVariance([a, b, a.map((value) => 3 * value + 7)], once(4))(column(-3, -1, 1, 3))!;
    expect(of([])).toBe(0);
    expect(of([0])).toBeCloseTo(0.8, 12);
    expect(of([1])).toBeCloseTo(0.2, 12);
    expect(of([2, 1, 0])).toBeCloseTo(1, 12);
  });

  it('weights an observation as so many equal ones, and is none without variance', () => {
    const weighted = explainedVariance([column(1, 2, 4)], [2, 1, 1])(column(1, 3, 2))!([0]);
    const repeated = explainedVariance([column(1, 1, 2, 4)], once(4))(column(1, 1, 3, 2))!([0]);
    expect(weighted).toBeCloseTo(repeated, 12);
    expect(explainedVariance([column(1, 2)], once(2))(column(5, 5))).toBeNull();
  });
});
