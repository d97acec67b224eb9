import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../analysis/findings.js';
import { simulateResult } from '../../analysis/simulated-result.test-support.js';
import { tariffsTable } from './uniformity.js';

/** Notes under the tariffs of work of 1 an input token, 4 an output token, and `fee` a request. */
function notesOf(fee: number): string {
  const cells = [16, 64, 256].flatMap((promptTokens) =>
    [8, 32, 64].map((completionTokens) => ({
      promptTokens,
      completionTokens,
      rate: (promptTokens + 4 * completionTokens + fee) / (promptTokens + completionTokens),
    })),
  );
  const result = simulateResult(cells, { seed: 1, repetitions: 3, noise: 0 });
  return tariffsTable(findingsOf(result), 'cpuTime').notes!.join(' ');
}

describe('the table of tariffs', () => {
  it('says where a fitted price is negative, which nobody could ask for', () => {
    expect(notesOf(-30)).toContain('negative price');
    expect(notesOf(30)).not.toContain('negative price');
  });
});
