import { describe, expect, it } from 'vitest';
import type { FailedRequest } from '../../core/result.js';
import { findingsOf } from '../findings.js';
import { simulateResult } from '../simulated-result.test-support.js';
import { isTrace, tracedPrompts } from './traced-prompts.js';

const stages = (hidden: number) => [
  { name: 'safety', cost: hidden, tokens: 8 },
  { name: 'prefill', cost: 128, billed: 128 },
  { name: 'decode', cost: 128, billed: 128 },
];

/** The reference request, and two prompts of as many tokens with as much again, or three times as much, hidden. */
function traceOf() {
  const traced = (prompt: string, hidden: number) => ({
    ...{ promptTokens: 128, completionTokens: 128, rate: 1, stages: stages(hidden) },
    factors: { prompt, promptKind: 'traced' },
  });
  const reference = { promptTokens: 128, completionTokens: 128, rate: 1, stages: stages(0).slice(1) };
  return simulateResult([reference, traced('once', 256), traced('thrice', 768)], {
    seed: 1,
    repetitions: 3,
    noise: 0,
  });
}

describe('traced prompts', () => {
  it('are told from the reference request, and weighed by it', () => {
    const result = traceOf();
    expect(isTrace(result)).toBe(true);
    const found = tracedPrompts(result);
    expect(found.map(({ name }) => name)).toEqual(['once', 'thrice']);
    expect(found[0]!.trace!.effective.value).toBeCloseTo(512, 6);
    expect(found[1]!.trace!.effective.value).toBeCloseTo(1024, 6);
  });

  it('that failed have the reason', () => {
    const result = traceOf();
    const fail = (isOfCell: (cell: string) => boolean) => ({
      ...result,
      requests: result.requests.map((row): (typeof result.requests)[number] =>
        isOfCell(row.cell)
          ? ({
              ...row,
              outcome: { status: 'failed', code: 'context-exceeded', message: 'It is too long.' },
            } as unknown as FailedRequest)
          : row,
      ),
    });
    const [reference, once] = result.cells.map(({ id }) => id);
    expect(tracedPrompts(fail((cell) => cell === once))).toMatchObject([
      { name: 'once', trace: null, reason: 'It is too long.' },
      { name: 'thrice', reason: null },
    ]);
    expect(tracedPrompts(fail((cell) => cell === reference))[0]).toMatchObject({
      trace: null,
      reason: expect.stringContaining('reference request'),
    });
  });

  it('are no workload: no share is misbilled, no variance explained, nobody overpays', () => {
    const { misbilledShare, rSquared, drivers, extremes } = findingsOf(traceOf()).uniformity.cpuTime!;
    expect(misbilledShare).toMatchObject({ value: null, reason: expect.stringContaining('no workload') });
    expect(rSquared.oneRate.value).toBeNull();
    expect(drivers).toBeNull();
    expect(extremes).toEqual({ overpays: null, underpays: null });
  });
});
