import { describe, expect, it } from 'vitest';
import { createRandom } from '../../stats/random.js';
import type { SimulatedCell } from '../simulated-result.test-support.js';
import { found, guarded, lengths, visible } from './hidden-work.test-support.js';

describe('hidden work', () => {
  const coverage = (
    draws: number,
    simulation: { repetitions: number; design: 'fixed' | 'sampled' },
    cellsOf: (draw: number) => SimulatedCell[],
    truth: number,
  ) =>
    Array.from({ length: draws }, (_, draw) => {
      const { repetitions, design } = simulation;
      const { low, high } = found(cellsOf(draw), { seed: draw + 1, repetitions, noise: 0.1 }, { design });
      return low! <= truth && truth <= high!;
    }).filter(Boolean).length / draws;

  it('has an interval that covers the truth in 93% to 97% of 400 runs in which a check runs by chance', () => {
    const cells = guarded((prompt) => [{ name: 'review', cost: prompt, tokens: prompt, chance: 0.4 }]);
    const expected =
      0.4 * lengths.filter((prompt) => prompt !== 128).reduce((sum, prompt) => sum + prompt, 0);
    const truth = expected / (expected + visible);
    const covered = coverage(400, { repetitions: 20, design: 'fixed' }, () => cells, truth);
    expect(covered).toBeGreaterThanOrEqual(0.93);
    expect(covered).toBeLessThanOrEqual(0.97);
    // Five tosses of a coin may all fall alike, and then nothing shows how far they could have gone.
    const few = coverage(400, { repetitions: 5, design: 'fixed' }, () => cells, truth);
    expect(few).toBeGreaterThanOrEqual(0.9);
  });

  it('and in 93% to 97% of samples of a population of requests', () => {
    const drawn = (draw: number) => {
      const random = createRandom(draw + 1);
      return Array.from({ length: 60 }, (): SimulatedCell => {
        const prompt = 16 * (1 + random.below(31));
        return {
          promptTokens: prompt,
          completionTokens: 64,
          rate: 1,
          stages: [
            { name: 'review', cost: prompt, tokens: prompt, chance: 0.4 },
            { name: 'prefill', cost: prompt, billed: prompt },
            { name: 'decode', cost: 64, billed: 64 },
          ],
        };
      });
    };
    const mean = 16 * 16;
    const truth = (0.4 * mean) / (1.4 * mean + 64);
    const covered = coverage(400, { repetitions: 1, design: 'sampled' }, drawn, truth);
    expect(covered).toBeGreaterThanOrEqual(0.93);
    expect(covered).toBeLessThanOrEqual(0.97);
  });
});
