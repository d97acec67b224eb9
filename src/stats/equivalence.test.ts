import { describe, expect, it } from 'vitest';
import { testEquivalence } from './equivalence.js';
import { createRandom, type Random } from './random.js';

describe('equivalence test', () => {
  it('agrees with SciPy on an example of unequal sizes and variances', () => {
    const baseline = [0.95, 1.01, 1.02, 0.99, 1.0, 1.03];
    const candidate = [1.02, 0.98, 1.0, 1.01, 1.04];
    const result = testEquivalence(baseline, candidate)!;
    // The larger of ttest_ind(log b ∓ log 1.05, log a, equal_var=False), SciPy 1.17; df = 8.9747.
    expect(result.pValue).toBeCloseTo(0.016249233045874095, 10);
    expect(result.ratio).toBeCloseTo(1.0101439422442084, 10);
    expect(result.low).toBeCloseTo(0.9821656828830644, 10);
    expect(result.high).toBeCloseTo(1.0389191984975488, 10);
    expect(result.equivalent).toBe(true);
  });

  it('has the closed form of two degrees of freedom for two values a side', () => {
    // Logs ∓s and δ∓s: standard error s·√2, Welch–Satterthwaite df exactly 2.
    const [s, delta, margin] = [0.01, 0.02, 0.1];
    const result = testEquivalence([Math.exp(-s), Math.exp(s)], [Math.exp(delta - s), Math.exp(delta + s)], {
      margin,
    })!;
    const x = (Math.log(1 + margin) - delta) / (s * Math.SQRT2);
    expect(result.pValue).toBeCloseTo(0.5 - x / (2 * Math.sqrt(2 + x * x)), 12);
    expect(result.equivalent).toBe(result.pValue < 0.05);
  });

  it('says the same whichever side is called the baseline', () => {
    const [a, b] = [
      [1, 1.1, 0.97, 1.04],
      [1.02, 1.05, 0.99],
    ];
    const there = testEquivalence(a!, b!)!;
    const back = testEquivalence(b!, a!)!;
    expect(back.pValue).toBeCloseTo(there.pValue, 12);
    expect(back.ratio).toBeCloseTo(1 / there.ratio, 12);
  });

  it('wrongly calls a true difference at the margin equivalent in at most 5% of trials', () => {
    const random = createRandom(5);
    const trials = 1000;
    let wrong = 0;
    for (let trial = 0; trial < trials; trial++) {
      const baseline = logNormals(random, 12, 0);
      const candidate = logNormals(random, 12, Math.log(1.05));
      if (testEquivalence(baseline, candidate)!.equivalent) wrong++;
    }
    // Binomial(1000, 0.05): 72 is its 99.9% point.
    expect(wrong).toBeLessThanOrEqual(72);
    expect(wrong).toBeGreaterThan(20);
  });

  it('finds an A/A comparison equivalent where there is enough of it', () => {
    const random = createRandom(6);
    let found = 0;
    for (let trial = 0; trial < 200; trial++) {
      if (testEquivalence(logNormals(random, 30, 0), logNormals(random, 30, 0))!.equivalent) found++;
    }
    expect(found).toBeGreaterThan(190);
  });

  it('decides values without spread by their difference alone', () => {
    expect(testEquivalence([2, 2], [2.02, 2.02])).toMatchObject({ equivalent: true, pValue: 0 });
    expect(testEquivalence([2, 2], [2.2, 2.2])).toMatchObject({ equivalent: false, pValue: 1 });
  });

  it.each([
    [[1], [1, 1.1]],
    [[1, 1.1], []],
    [
      [0, 1],
      [1, 1],
    ],
    [
      [1, Number.NaN],
      [1, 1],
    ],
  ])('has no answer for %j against %j', (baseline, candidate) => {
    expect(testEquivalence(baseline, candidate)).toBeNull();
  });
});

/** Log-normal values with 3% spread, by Box–Muller. */
function logNormals(random: Random, size: number, location: number): number[] {
  return Array.from({ length: size }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
    return Math.exp(location + 0.03 * radius * Math.cos(2 * Math.PI * random.uniform()));
  });
}
