/** Whether the verdicts of `diff` hold what they promise, by hundreds of simulations with fixed seeds. */
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../stats/random.js';
import { simulateResult } from '../simulated-result.test-support.js';
import {
  cells,
  changed,
  claims,
  compare,
  cpuRows,
  driftForms,
  onBusyMachine,
  onDriftingMachine,
  run,
  slowed,
} from './compare.test-support.js';

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
  it('is found in 70% where but one cell of 20 is slower, as drift between single runs is allowed for', () => {
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
    expect(found.length).toBeGreaterThanOrEqual(28);
  });
});

describe('a busy machine, whose pace is another in each run', { timeout: 900_000 }, () => {
  const random = createRandom(7);
  const paces = (runs: number, ratio = 1) =>
    Array.from({ length: runs }, () => ratio * Math.exp(0.05 * (2 * random.uniform() - 1)));

  it.each([2, 4])('with %d runs a side in turn, is called a change in at most 5 of 100', (runs) => {
    const wrong = Array.from({ length: 60 }, (_, seed) =>
      onBusyMachine({ busyCores: 0.5, baseline: paces(runs), candidate: paces(runs), seed }),
    ).filter(claims);
    expect(wrong.length).toBeLessThanOrEqual(3);
  });

  it('with 4 runs a side hides no slowdown of 15%', () => {
    const found = Array.from({ length: 40 }, (_, seed) =>
      onBusyMachine({ busyCores: 0.5, baseline: paces(4), candidate: paces(4, 1.15), seed }),
    ).filter(({ geomean }) => geomean.cpuTime!.verdict === 'slower');
    expect(found.length).toBeGreaterThanOrEqual(36);
  });
});

/** Figures of results/README.md, how to read a comparison, are of 100 of these for each form; here are the first 15, of power the first 30. */
describe('a machine that drifts by 1.3× over about three runs, 5% noise', { timeout: 900_000 }, () => {
  const forms = Object.keys(driftForms);
  const share = (simulations: number, one: (form: string, seed: number) => boolean) =>
    forms.map((form) => {
      let count = 0;
      for (let seed = 1; seed <= simulations; seed++) if (one(form, seed)) count++;
      return count / simulations;
    });
  const mean = (shares: readonly number[]) => shares.reduce((sum, own) => sum + own, 0) / shares.length;

  it.each([
    [1, 10],
    [2, 10],
    [3, 5],
  ])('with %d runs a side of %d repetitions, is called a change in 5 of 100', (runs, repetitions) => {
    const wrong = share(15, (form, seed) =>
      claims(onDriftingMachine({ form, seed, runs, repetitions, noise: 0.05 })),
    );
    console.info(
      `${runs} × ${repetitions}, false: ${forms.map((form, k) => `${form} ${wrong[k]}`).join('; ')}`,
    );
    expect(mean(wrong)).toBeLessThanOrEqual(0.05);
    // No form by itself is far off: more than 2 of 15 is what 5% gives by chance in one of 28.
    for (const own of wrong) expect(own).toBeLessThanOrEqual(2 / 15);
  });

  it.each([
    [2, 10],
    [3, 5],
  ])(
    'hides no change of 10 in 100 from %d runs a side of %d repetitions in turn, in 80 of 100',
    (runs, repetitions) => {
      const found = share(
        30,
        (form, seed) =>
          onDriftingMachine({ form, seed, runs, repetitions, noise: 0.05, ratio: 1.1 }).geomean.cpuTime!
            .verdict === 'slower',
      );
      console.info(
        `${runs} × ${repetitions}, found: ${forms.map((form, k) => `${form} ${found[k]}`).join('; ')}`,
      );
      // A pace that wanders as far within one run asks for more alternations.
      for (const [k, own] of found.entries())
        expect(own).toBeGreaterThanOrEqual(forms[k]!.endsWith('of one run') ? 0.4 : 0.8);
    },
  );
});
