/** Whether verdicts and intervals hold what they promise, by hundreds of simulations with fixed seeds. */
import { describe, expect, it } from 'vitest';
import { normalSource } from '../../stats/normal.js';
import { createRandom } from '../../stats/random.js';
import { findingsOf } from '../findings.js';
import { type SimulatedCell, simulateResult, trueMisbilledShare } from '../simulated-result.test-support.js';
import { covering, grid, indistinct, misbilledShares, shareOf } from './coverage.test-support.js';

describe('tokens that track work perfectly', () => {
  it('are not distinguishable from it under 5% noise in 93% of 200 runs', () => {
    const found = misbilledShares(
      200,
      grid(() => 1),
      { repetitions: 5, noise: 0.05 },
    );
    expect(shareOf(found, indistinct)).toBeGreaterThanOrEqual(0.93);
    expect(shareOf(found, covering(0))).toBeGreaterThanOrEqual(0.93);
  });

  it('nor where the machine drifts, requests fail and tails are heavy', () => {
    const noise = { repetitions: 4, noise: 0.05, drift: 0.2, failures: 0.1, tails: 5 };
    expect(
      shareOf(
        misbilledShares(
          100,
          grid(() => 1),
          noise,
        ),
        indistinct,
      ),
    ).toBeGreaterThanOrEqual(0.9);
  });
});

describe('cells of unequal noise', () => {
  it('have a floor and an interval that fit them, long requests being the quieter', () => {
    const cells = grid((index) => (index % 2 === 0 ? 1.03 : 0.97));
    const found = Array.from({ length: 100 }, (_, draw) => {
      const [quiet, loud] = [0.01, 0.1].map((noise) =>
        simulateResult(cells, { seed: draw + 1, repetitions: 5, noise }),
      );
      for (const [index, request] of quiet!.requests.entries()) {
        if (request.tokens!.prompt < 200) Object.assign(request.work!, loud!.requests[index]!.work);
      }
      return findingsOf(quiet!, { resamples: 200 }).uniformity.cpuTime!.misbilledShare;
    });
    expect(shareOf(found, indistinct)).toBe(0);
    expect(shareOf(found, covering(trueMisbilledShare(cells)))).toBeGreaterThanOrEqual(0.9);
  });
});

describe('a planted misbilled share of 10%', () => {
  const cells = grid((index) => (index % 2 === 0 ? 1.2 : 0.8));
  const truth = trueMisbilledShare(cells);

  it('is found in every of 400 runs, its interval covering the truth in 93% to 97%', () => {
    expect(truth).toBeCloseTo(0.1, 2);
    const found = misbilledShares(400, cells, { repetitions: 5, noise: 0.05 });
    expect(shareOf(found, indistinct)).toBe(0);
    expect(shareOf(found, covering(truth))).toBeGreaterThanOrEqual(0.93);
    expect(shareOf(found, covering(truth))).toBeLessThanOrEqual(0.97);
    const mean = found.reduce((sum, { value }) => sum + value!, 0) / found.length;
    expect(Math.abs(mean - truth)).toBeLessThan(0.001);
  });

  it('has ratios of its tails covered too, though noise alone parts cells that cost the same', () => {
    const found = Array.from({ length: 100 }, (_, draw) => {
      const result = simulateResult(cells, { seed: draw + 1, repetitions: 5, noise: 0.05 });
      return findingsOf(result, { resamples: 200 }).uniformity.cpuTime!.workPerToken;
    });
    const covered = (name: 'p95OverP5' | 'maxOverMedian', ratio: number) =>
      shareOf(
        found.map((workPerToken) => workPerToken[name]),
        covering(ratio),
      );
    // Ten cells at 1.2 and ten at 0.8: the tails lie at both, the median between them.
    expect(covered('p95OverP5', 1.5)).toBeGreaterThanOrEqual(0.93);
    expect(covered('maxOverMedian', 1.2)).toBeGreaterThanOrEqual(0.93);
  });

  it('is covered no less where most cells are fair and a few are not', () => {
    const few = grid((index) => (index % 4 === 0 ? 1.4 : index % 4 === 1 ? 0.6 : 1));
    const found = misbilledShares(100, few, { repetitions: 3, noise: 0.05 });
    expect(shareOf(found, covering(trueMisbilledShare(few)))).toBeGreaterThanOrEqual(0.9);
  });
});

describe('a sampled workload', () => {
  /** Requests of a population with lognormal lengths and rates. */
  const sample = (count: number, seed: number): SimulatedCell[] => {
    const normal = normalSource(createRandom(seed));
    const tokens = (centre: number) => Math.max(1, Math.round(Math.exp(centre + normal())));
    return Array.from({ length: count }, () => ({
      promptTokens: tokens(5),
      completionTokens: tokens(4),
      rate: Math.exp(0.25 * normal()),
    }));
  };

  it('has intervals that cover the population’s share, whatever requests were drawn', () => {
    const truth = trueMisbilledShare(sample(200_000, 999));
    const draw = (seed: number) => sample(200, seed + 1);
    const found = misbilledShares(150, draw, { repetitions: 1, noise: 0 }, { design: 'sampled' });
    expect(shareOf(found, covering(truth))).toBeGreaterThanOrEqual(0.89);
  });
});
