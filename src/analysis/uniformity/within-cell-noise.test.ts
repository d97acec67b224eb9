import { describe, expect, it } from 'vitest';
import { createRandom } from '../../stats/random.js';
import { findingsOf } from '../findings.js';
import { tableOf } from '../requests/table-builder.js';
import {
  factorial,
  type SimulatedCell,
  type Simulation,
  simulateResult,
} from '../simulated-result.test-support.js';
import { requestBand } from './cell-error.js';
import { type CellTotals, totalsOf } from './cell-totals.js';
import { noiseSource } from './noise-draws.js';
import { estimateNoise, noNoise } from './within-cell-noise.js';

const grid = factorial([16, 64, 256, 512, 1024], [16, 64, 128, 256], () => 1);

function noiseOf(cells: readonly SimulatedCell[], simulation: Simulation) {
  const table = tableOf(simulateResult(cells, simulation));
  const work = table.metrics.cpuTime;
  const totals = totalsOf(table, work);
  return { noise: estimateNoise(table, totals, work), totals };
}

describe('noise within cells', () => {
  it('is what repetitions were given, however far the machine drifts between rounds', () => {
    const { noise } = noiseOf(grid, { seed: 1, repetitions: 20, noise: 0.05, drift: 0.5 });
    // 20 cells and 20 rounds leave 400 − 20 − 19 degrees of freedom; σ is known to 1/√(2·361).
    expect(noise!.degreesOfFreedom).toBe(361);
    expect(Math.abs(noise!.sigma / 0.05 - 1)).toBeLessThan(4 / Math.sqrt(2 * 361));
    expect(noise!.drift).toBeNull();
    expect(noise!.tails).toBeNull();
  });

  it('keeps the drift where failures let it fall on cells unequally', () => {
    const { noise } = noiseOf(grid, { seed: 2, repetitions: 20, noise: 0.05, drift: 0.5, failures: 0.2 });
    expect(noise!.drift!.sigma).toBeGreaterThan(0.3);
    expect(noise!.drift!.sigma).toBeLessThan(0.75);
  });

  it('has heavier tails than the normal where the residuals have', () => {
    const { noise } = noiseOf(grid, { seed: 3, repetitions: 20, noise: 0.05, tails: 5 });
    expect(noise!.tails).toBeGreaterThan(4);
    expect(noise!.tails).toBeLessThan(12);
  });

  it('is pooled where all cells are alike, and each cell’s own where they are not', () => {
    const alike = noiseOf(grid, { seed: 4, repetitions: 10, noise: 0.05 }).noise!;
    for (const sigma of alike.cellSigma) expect(Math.abs(sigma / alike.sigma - 1)).toBeLessThan(0.35);

    const loud = simulateResult(grid, { seed: 5, repetitions: 10, noise: 0.02 });
    const extra = simulateResult(grid, { seed: 6, repetitions: 10, noise: 0.2 });
    for (const [index, request] of loud.requests.entries()) {
      if (index % 20 < 10) Object.assign(request.work!, { cpuTime: extra.requests[index]!.work!.cpuTime });
    }
    const table = tableOf(loud);
    const work = table.metrics.cpuTime;
    const { cellSigma } = estimateNoise(table, totalsOf(table, work), work)!;
    const mean = (part: Float64Array) => part.reduce((sum, sigma) => sum + sigma, 0) / part.length;
    expect(Math.abs(mean(cellSigma.subarray(0, 10)) / 0.2 - 1)).toBeLessThan(0.25);
    expect(Math.abs(mean(cellSigma.subarray(10)) / 0.02 - 1)).toBeLessThan(0.25);
  });

  it('is not known where nothing was repeated or a request did no work', () => {
    expect(noiseOf(grid, { seed: 7, repetitions: 1, noise: 0.05 }).noise).toBeNull();
    expect(
      noiseOf([...grid, { ...grid[0]!, rate: 0 }], { seed: 7, repetitions: 3, noise: 0.05 }).noise,
    ).toBeNull();
  });

  it('counts a trace’s equal requests as one round’s', () => {
    const cells = grid.map((cell) => ({ ...cell, count: 3 }));
    expect(tableOf(simulateResult(cells, { seed: 8, repetitions: 4, noise: 0.1 })).rounds).toBe(4);
  });
});

describe('draws of noise', () => {
  it.each([3, 100])(
    'of %d requests a cell have mean 1 and the variance of a mean of lognormals',
    (repetitions) => {
      const { noise, totals } = noiseOf(grid, { seed: 9, repetitions, noise: 0.2 });
      const { repeat } = noiseSource(noise!, totals, createRandom(1), 'apart');
      const factors = new Float64Array(totals.work.length);
      let [sum, squares, count] = [0, 0, 0];
      for (let k = 0; k < 2000; k++) {
        repeat(factors);
        for (const factor of factors) {
          sum += factor;
          squares += (factor - 1) ** 2;
          count++;
        }
      }
      const variance = Math.expm1(noise!.sigma ** 2) / repetitions;
      expect(Math.abs(sum / count - 1)).toBeLessThan(5 * Math.sqrt(variance / count));
      // The size of the noise is drawn too, which adds df/(df − 2) in the mean.
      const df = noise!.degreesOfFreedom;
      expect(squares / count / ((variance * df) / (df - 2))).toBeCloseTo(1, 0);
    },
  );
});

describe('the noise floor', () => {
  const equal = (count: number): SimulatedCell[] =>
    Array.from({ length: count }, (_, index) => ({
      promptTokens: 100,
      completionTokens: 28,
      rate: 1,
      factors: { index },
    }));

  // n repetitions of equal cells: ½ E|mean of n errors| = σ/√(2πn), for many cells.
  it.each([200, 6000])('of %d equal cells is σ/√2πn', (count) => {
    const result = simulateResult(equal(count), { seed: 10, repetitions: 4, noise: 0.05 });
    const { noiseFloor } = findingsOf(result, { resamples: 400 }).uniformity.cpuTime!.misbilledShare;
    expect(Math.abs(noiseFloor! / (0.05 / Math.sqrt(2 * Math.PI * 4)) - 1)).toBeLessThan(0.08);
  });
});

describe('a sample so large that only parts of it are resampled', () => {
  it('has an interval narrower by the root of the cells, as a whole bootstrap has', () => {
    const width = (count: number) => {
      const random = createRandom(11);
      const cells = Array.from({ length: count }, () => ({
        promptTokens: 1 + random.below(1000),
        completionTokens: 1 + random.below(200),
        rate: Math.exp(0.5 * (random.uniform() - 0.5)),
      }));
      const result = simulateResult(cells, { seed: 12, repetitions: 1, noise: 0 });
      const { low, high } = findingsOf(result, { design: 'sampled' }).uniformity.cpuTime!.misbilledShare;
      return high! - low!;
    };
    expect(width(1500) / width(6000) / 2).toBeGreaterThan(0.8);
    expect(width(1500) / width(6000) / 2).toBeLessThan(1.25);
  });
});

it('puts 95% of requests within Student’s t of the pooled noise, with what rounds were seen to drift', () => {
  const none = noNoise({ work: new Float64Array(2) } as CellTotals);
  expect(requestBand(none)).toBe(1);
  const noise = { ...none, sigma: 0.1, degreesOfFreedom: 10 };
  // t(0.975, 10) = 2.2281; with as much drift again, 40 degrees (Welch–Satterthwaite): 2.0211.
  expect(Math.log(requestBand(noise))).toBeCloseTo(0.22281, 5);
  const rounds = { sigma: 0.1 * Math.sqrt(3 / 2), count: 3 };
  expect(Math.log(requestBand({ ...noise, rounds }))).toBeCloseTo(0.20211 * Math.SQRT2, 5);
});
