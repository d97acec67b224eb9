import { expect, it } from 'vitest';
import { median } from '../../../stats/quantile.js';
import { createRandom } from '../../../stats/random.js';
import { quantum } from '../attribute.js';
import { shareServedCounter } from './share-counter.js';
import { cpuCosts, type SimulationOptions, simulateServer } from './simulated-server.test-support.js';

const disturbed = { own: 0.05, drift: 0.1, stepNoise: 0.1 };
/** A GPU's costs in joules and in ns; 16 requests share a step, and the counter is read every 100 ms. */
const gpu: Partial<SimulationOptions> = {
  slots: 16,
  count: 600,
  chunk: 2048,
  promptTokens: [64, 4096],
  completionTokens: [16, 400],
  timeCosts: { prefill: 2e4, prefillAttention: 5, decode: 2e5, decodeContext: 1e3, step: 1e7 },
  counterCosts: { prefill: 3e-3, prefillAttention: 8e-7, decode: 0.04, decodeContext: 2e-4, step: 0.7 },
  resolutionNs: 1e8,
};

it.each<[string, Partial<SimulationOptions>, { error: number; coverage: [number, number] }]>([
  ['requests cost more or less by themselves', { own: 0.1 }, { error: 0.1, coverage: [0.9, 0.98] }],
  ['the machine drifts', { drift: 0.1 }, { error: 0.1, coverage: [0.9, 0.98] }],
  ['all of that, under saturation', disturbed, { error: 0.1, coverage: [0.9, 0.99] }],
  [
    'all of that, at two thirds of it',
    { ...disturbed, meanGapNs: 1.6e9 },
    { error: 0.1, coverage: [0.9, 0.98] },
  ],
  ['all of that, on a GPU', { ...gpu, ...disturbed }, { error: 0.12, coverage: [0.85, 0.98] }],
])(
  'intervals hold the truth as often as they say where %s',
  (_, options, expected) => {
    const errors: number[] = [];
    let [covered, all] = [0, 0];
    for (let seed = 0; seed < 16; seed++) {
      const server = simulateServer({
        random: createRandom(seed),
        count: 100,
        slots: 4,
        timeCosts: cpuCosts,
        ...options,
      });
      const unit = options.counterCosts ? quantum.joules : quantum.nanoseconds;
      const shares = shareServedCounter({ ...server, quantum: unit, seed });
      if (shares.refused !== null) throw new Error(shares.refused);
      for (const [id, { prefill, decode }] of server.truth) {
        const { amount, low, high } = shares.byRequest.get(id)!;
        errors.push(Math.abs(amount / (prefill + decode) - 1));
        all++;
        if (low <= prefill + decode && prefill + decode <= high) covered++;
      }
    }
    console.info(`median error ${median(errors)!.toFixed(3)}, coverage ${(covered / all).toFixed(3)}`);
    expect(median(errors)!).toBeLessThan(expected.error);
    expect(covered / all).toBeGreaterThan(expected.coverage[0]);
    expect(covered / all).toBeLessThan(expected.coverage[1]);
  },
  300_000,
);
