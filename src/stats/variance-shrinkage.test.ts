import { describe, expect, it } from 'vitest';
import { chiSquared, normalSource } from './normal.js';
import { createRandom } from './random.js';
import { shrinkVariances } from './variance-shrinkage.js';

describe('shrunk variances', () => {
  const normal = normalSource(createRandom(1));
  const drawn = (truth: number[], df: number) =>
    Float64Array.from(truth, (variance) => variance * chiSquared(df, normal));
  const meanError = (estimates: ArrayLike<number>, truth: number[]) =>
    truth.reduce((sum, variance, c) => sum + Math.log(estimates[c]! / variance) ** 2, 0) / truth.length;

  it('are all but equal where groups do not differ', () => {
    const squares = drawn(new Array<number>(200).fill(4), 4);
    const { variances: shrunk } = shrinkVariances(squares, new Float64Array(200).fill(4));
    expect(meanError(shrunk, new Array<number>(200).fill(4))).toBeLessThan(0.05);
  });

  it('follow the groups where they differ, nearer to the truth than each alone or the pool', () => {
    const truth = Array.from({ length: 200 }, () => Math.exp(normal()));
    const squares = drawn(truth, 4);
    const { variances: shrunk } = shrinkVariances(squares, new Float64Array(200).fill(4));
    const pooled = squares.reduce((sum, value) => sum + value, 0) / 800;
    expect(meanError(shrunk, truth)).toBeLessThan(
      meanError(
        squares.map((value) => value / 4),
        truth,
      ),
    );
    expect(meanError(shrunk, truth)).toBeLessThan(meanError(new Array<number>(200).fill(pooled), truth));
  });

  it('keep the pooled sum of squares, and give groups without repetition what others have', () => {
    const squares = Float64Array.from([1, 40, 3, 0]);
    const df = Float64Array.from([4, 4, 4, 0]);
    const { variances: shrunk } = shrinkVariances(squares, df);
    expect(shrunk.reduce((sum, variance, c) => sum + df[c]! * variance, 0)).toBeCloseTo(44, 10);
    expect(shrunk[3]).toBeGreaterThan(shrunk[0]!);
    expect(shrunk[3]).toBeLessThan(shrunk[1]!);
  });

  it('are 0 where nothing varies', () => {
    expect([...shrinkVariances(new Float64Array(2), Float64Array.from([3, 3])).variances]).toEqual([0, 0]);
  });

  it('give a single group of several degrees its own variance, whatever stands beside it without any', () => {
    const [own, none] = shrinkVariances(Float64Array.of(0.7, 0), Float64Array.of(4, 0)).variances;
    expect(own).toBeCloseTo(0.175, 12);
    expect(none).toBeCloseTo(0.175, 12);
  });

  it('are worth all degrees together where groups are alike, and hardly more than their own where they are not', () => {
    const four = (count: number) => new Float64Array(count).fill(4);
    expect([...shrinkVariances(four(10), four(10)).freedom]).toEqual(new Array(10).fill(40));
    const apart = Float64Array.from({ length: 20 }, (_, c) => 10 ** c);
    for (const freedom of shrinkVariances(apart, four(20)).freedom) {
      expect(freedom).toBeGreaterThan(4);
      expect(freedom).toBeLessThan(4.2);
    }
  });
});
