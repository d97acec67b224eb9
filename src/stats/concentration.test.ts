import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gini, hoover, lorenzCurve, orderBy, theil } from './concentration.js';

const byRate = (work: number[], bill: number[]) =>
  orderBy(Float64Array.from(work, (value, i) => value / bill[i]!));
const giniOf = (work: number[], bill: number[]) => gini(work, bill, byRate(work, bill));
const curveOf = (work: number[], bill: number[], mostPoints?: number) =>
  lorenzCurve(work, bill, byRate(work, bill), mostPoints);

describe('concentration', () => {
  it('is nothing where work is proportional to the bill', () => {
    const [work, bill] = [
      [2, 4, 6],
      [1, 2, 3],
    ];
    expect(hoover(work!, bill!)).toBeCloseTo(0, 15);
    expect(giniOf(work!, bill!)).toBeCloseTo(0, 15);
    expect(theil(work!, bill!)).toBeCloseTo(0, 15);
  });

  it('is n−1 in n where one cell does all the work, and ln n by Theil', () => {
    const work = [0, 0, 0, 1];
    const bill = [1, 1, 1, 1];
    expect(hoover(work, bill)).toBeCloseTo(3 / 4, 15);
    expect(giniOf(work, bill)).toBeCloseTo(3 / 4, 15);
    expect(theil(work, bill)).toBeCloseTo(Math.log(4), 15);
  });

  it('follows the closed forms of 1, 2, …, n', () => {
    // Σ|x − x̄| of 1..n is n²/4 for even n, and Σx is n(n+1)/2.
    const n = 10;
    const work = Array.from({ length: n }, (_, i) => i + 1);
    const bill = work.map(() => 1);
    expect(giniOf(work, bill)).toBeCloseTo((n - 1) / (3 * n), 14);
    expect(hoover(work, bill)).toBeCloseTo(n / (4 * (n + 1)), 14);
  });

  it('equals p − q for a share q of work on a share p of the bill', () => {
    // Two groups: 80% of the bill carries 50% of the work. Theil: ½ ln(½/0.8) + ½ ln(½/0.2).
    expect(hoover([50, 50], [80, 20])).toBeCloseTo(0.3, 15);
    expect(giniOf([50, 50], [80, 20])).toBeCloseTo(0.3, 15);
    expect(theil([50, 50], [80, 20])).toBeCloseTo(0.5 * Math.log(0.5 / 0.8) + 0.5 * Math.log(0.5 / 0.2), 15);
  });

  it('draws the Lorenz curve from the cheapest token to the dearest', () => {
    const [start, cheapest, middling, end] = curveOf([6, 1, 3], [1, 1, 2]);
    expect([start, cheapest, end]).toEqual([
      { bill: 0, work: 0 },
      { bill: 0.25, work: 0.1 },
      { bill: 1, work: 1 },
    ]);
    expect(middling).toEqual({ bill: 0.75, work: expect.closeTo(0.4, 12) });
  });

  it('thins the curve of many cells to points that lie on it, without losing sight of its area', () => {
    const work = Array.from({ length: 1000 }, (_, i) => i + 1);
    const bill = work.map((_, i) => 1 + (i % 7));
    const [whole, thinned] = [curveOf(work, bill), curveOf(work, bill, 50)];
    expect(thinned.length).toBeLessThanOrEqual(50);
    expect(whole).toEqual(expect.arrayContaining(thinned));
    expect([thinned[0], thinned.at(-1)]).toEqual([
      { bill: 0, work: 0 },
      { bill: 1, work: 1 },
    ]);
    const area = thinned
      .slice(1)
      .reduce(
        (sum, point, k) => sum + ((point.bill - thinned[k]!.bill) * (point.work + thinned[k]!.work)) / 2,
        0,
      );
    expect(1 - 2 * area).toBeCloseTo(giniOf(work, bill), 2);
  });

  it('counts copies as so many cells, and Hoover is the curve’s largest distance', () => {
    const cell = fc.record({
      work: fc.integer({ min: 1, max: 1000 }),
      bill: fc.integer({ min: 1, max: 1000 }),
      copies: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(cell, { minLength: 1, maxLength: 30 }), (cells) => {
        fc.pre(cells.some(({ copies }) => copies > 0));
        const repeated = cells.flatMap((entry) => Array.from({ length: entry.copies }, () => entry));
        const [work, bill, copies] = [
          cells.map((c) => c.work),
          cells.map((c) => c.bill),
          cells.map((c) => c.copies),
        ];
        const [works, bills] = [repeated.map((c) => c.work), repeated.map((c) => c.bill)];
        const order = orderBy(Float64Array.from(work, (value, i) => value / bill[i]!));
        expect(hoover(work, bill, copies)).toBeCloseTo(hoover(works, bills), 12);
        expect(theil(work, bill, copies)).toBeCloseTo(theil(works, bills), 12);
        expect(gini(work, bill, order, copies)).toBeCloseTo(giniOf(works, bills), 12);
        const distance = Math.max(...curveOf(works, bills).map((point) => point.bill - point.work));
        expect(hoover(works, bills)).toBeCloseTo(distance, 12);
      }),
    );
  });

  it('orders like a stable comparator, infinities at the ends', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { maxLength: 50 }), (values) => {
        const keys = Float64Array.from([Number.POSITIVE_INFINITY, ...values, Number.NEGATIVE_INFINITY]);
        expect(orderBy(keys)[0]).toBe(keys.length - 1);
        const order = [...orderBy(keys)];
        expect([...order].sort((a, b) => a - b)).toEqual([...keys.keys()]);
        for (let k = 2; k < order.length - 1; k++) {
          const [before, after] = [keys[order[k - 1]!]!, keys[order[k]!]!];
          expect(after - before).toBeGreaterThanOrEqual(-1e-9 * Math.abs(before) - Number.MIN_VALUE * 128);
        }
      }),
    );
  });
});
