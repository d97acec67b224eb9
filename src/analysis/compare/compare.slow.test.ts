/** Whether the verdicts of `diff` hold what they promise, by hundreds of simulations with fixed seeds. */
import { describe, expect, it } from 'vitest';
import { simulateResult } from '../simulated-result.test-support.js';
import { cells, changed, compare, cpuRows, run, slowed } from './compare.test-support.js';

describe('comparing a version with itself', () => {
  it('calls a change in any of 20 cells in at most 5% of comparisons, and in the mean no oftener', () => {
    const comparisons = Array.from({ length: 100 }, (_, seed) =>
      compare(run(2 * seed + 1), run(2 * seed + 2)),
    );
    expect(comparisons.filter((comparison) => changed(comparison).length > 0).length).toBeLessThanOrEqual(5);
    const means = comparisons.map(({ geomean }) => geomean.cpuTime!.verdict);
    expect(
      means.filter((verdict) => verdict === 'slower' || verdict === 'faster').length,
    ).toBeLessThanOrEqual(5);
  });
});

describe('the mean over cells, under noise that no margin hides', () => {
  it.each([
    [6, { repetitions: 10, noise: 0.2 }],
    [20, { repetitions: 10, noise: 0.05, drift: 0.1 }],
  ])('of %d cells covers the truth, and calls a change where there is none in at most 5%', (count, how) => {
    const some = cells.slice(0, count);
    const means = Array.from({ length: 150 }, (_, seed) => {
      const [before, after] = [1, 2].map((side) => simulateResult(some, { seed: 2 * seed + side, ...how }));
      return compare(before!, after!).geomean.cpuTime!;
    });
    const called = means.filter(({ verdict }) => verdict === 'slower' || verdict === 'faster');
    expect(called.length / means.length).toBeLessThanOrEqual(0.05);
    const covering = means.filter(({ low, high }) => low! <= 1 && 1 <= high!);
    expect(covering.length / means.length).toBeGreaterThanOrEqual(0.93);
  });
});

describe('a planted slowdown of 5% under 2% noise, ten repetitions', () => {
  it('is found in 90% where but one cell of 20 is slower', () => {
    const single = Array.from({ length: 40 }, (_, seed) =>
      compare(
        run(2 * seed + 1),
        run(
          2 * seed + 2,
          10,
          slowed(1.05, (index) => index === 7),
        ),
      ),
    );
    const found = single.filter((comparison) => cpuRows(comparison)[7]!.verdict === 'slower');
    expect(found.length).toBeGreaterThanOrEqual(36);
  });
});
