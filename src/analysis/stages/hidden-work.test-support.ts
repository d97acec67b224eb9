/** Requests with stages that bill nothing. Imported by tests only. */
import { findingsOf } from '../findings.js';
import { type SimulatedCell, type SimulatedStage, simulateResult } from '../simulated-result.test-support.js';

export const exact = { seed: 1, repetitions: 3, noise: 0 };
export const lengths = [16, 64, 128, 256, 512, 1024];
export const guarded = (more: (prompt: number) => SimulatedStage[] = () => []): SimulatedCell[] =>
  lengths.map((prompt) => ({
    promptTokens: prompt,
    completionTokens: 128,
    rate: 1,
    factors: { pipeline: prompt === 128 ? 'plain' : 'guarded' },
    stages: [
      ...(prompt === 128 ? [] : more(prompt)),
      { name: 'prefill', cost: prompt, billed: prompt },
      { name: 'decode', cost: 128, billed: 128 },
    ],
  }));
export const found = (cells: readonly SimulatedCell[], simulation = exact, options = {}) =>
  findingsOf(simulateResult(cells, simulation), { resamples: 2, ...options }).hiddenWork.cpuTime!;
export const visible = lengths.reduce((sum, prompt) => sum + prompt + 128, 0);
