/** Grids of cells whose work follows a known law, and logs of requests. Imported by tests only. */
import { normalSource } from '../../stats/normal.js';
import { createRandom } from '../../stats/random.js';
import { simulateResult } from '../simulated-result.test-support.js';
import { applyToLog } from './applied.js';
import { type LoggedTokens, UsageTally } from './usage-tally.js';

export type Law = (tokens: LoggedTokens) => number;

/** Work as a decoder's cost model has it, in ms: reading is cheap, writing dear, and attention grows with what is read. */
export const decoderLaw: Law = ({ prompt, cached, completion }) => {
  const read = prompt - cached;
  return (
    0.2 * read +
    2 * completion +
    5 +
    2e-4 * completion * (prompt + (completion - 1) / 2) +
    1e-5 * read * (cached + (read + 1) / 2)
  );
};

/** No combination of a law's terms. */
export const bentLaw: Law = ({ prompt, completion }) => 0.3 * prompt ** 0.9 + 2 * completion ** 1.05 + 4;

export function gridResult(
  law: Law,
  { seed, noise, repetitions = 5, prompts = [16, 64, 256, 1024], completions = [8, 32, 128] }: GridOptions,
) {
  const cells = prompts.flatMap((promptTokens) =>
    completions.map((completionTokens) => ({
      promptTokens,
      completionTokens,
      rate:
        law({ prompt: promptTokens, cached: 0, completion: completionTokens }) /
        (promptTokens + completionTokens),
      factors: { promptTokens, completionTokens },
    })),
  );
  return simulateResult(cells, { seed, repetitions, noise });
}

interface GridOptions {
  seed: number;
  noise: number;
  repetitions?: number;
  prompts?: number[];
  completions?: number[];
}

/** Requests with log-normal lengths, kept within the grid. */
export function drawnLog(requests: number, seed: number): LoggedTokens[] {
  const normal = normalSource(createRandom(seed));
  const length = (middle: number, low: number, high: number) =>
    Math.min(high, Math.max(low, Math.round(middle * Math.exp(normal()))));
  return Array.from({ length: requests }, () => ({
    prompt: length(150, 16, 1024),
    cached: 0,
    completion: length(40, 8, 128),
  }));
}

/** The misbilled share of a log whose work is known, by its definition. */
export function trueShare(law: Law, log: readonly LoggedTokens[]): number {
  const work = log.map(law);
  const bill = log.map(({ prompt, completion }) => prompt + completion);
  const [worked, billed] = [work, bill].map((values) => values.reduce((sum, value) => sum + value, 0)) as [
    number,
    number,
  ];
  return work.reduce((sum, value, i) => sum + Math.abs(value / worked - bill[i]! / billed), 0) / 2;
}

export function applied(result: Parameters<typeof applyToLog>[0], log: readonly LoggedTokens[]) {
  const tally = new UsageTally();
  for (const tokens of log) tally.add(tokens);
  return applyToLog(result, tally.bins());
}
