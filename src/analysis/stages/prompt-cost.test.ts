import { describe, expect, it } from 'vitest';
import type { OkRequest } from '../../core/result.js';
import { promptCost, workParts } from './prompt-cost.js';
import type { Waterfall } from './waterfall.js';

/** Two prompt tokens and five of an answer, whose first comes after `firstMs` and the last 200 ms later. */
const request = (firstMs: number, cpuMs: number | null) =>
  ({
    tokens: { prompt: 2, completion: 5, reasoning: 0 },
    times: {
      submitted: 0,
      started: 1e6,
      firstToken: (1 + firstMs) * 1e6,
      lastToken: (201 + firstMs) * 1e6,
      ended: (211 + firstMs) * 1e6,
    },
    work: { cpuTime: cpuMs === null ? null : cpuMs * 1e6, gpuTime: null, energy: null },
  }) as OkRequest;

describe('the cost of a prompt', () => {
  it('is time from its start, the pace of its answer, and work, each the mean of its repetitions', () => {
    const cost = promptCost([request(90, 10), request(110, 30)]);
    expect(cost).toMatchObject({ promptTokens: 2, completionTokens: 5, gpuTime: null, energy: null });
    expect(cost.latency.value).toBe(310e6);
    expect(cost.firstToken.value).toBe(100e6);
    // Four gaps in 200 ms.
    expect(cost.tokensPerSecond?.value).toBeCloseTo(20, 9);
    expect(cost.cpuTime?.value).toBe(20e6);
  });

  it('has no figure that a repetition lacks, nor a pace of one token', () => {
    const single = request(90, null);
    single.tokens.completion = 1;
    const cost = promptCost([request(90, 10), single]);
    expect(cost.cpuTime).toBeNull();
    expect(cost.tokensPerSecond).toBeNull();
  });
});

describe('the parts of the work', () => {
  const stage = (component: string, effective: number | null, visibility: 'none' | 'high') => ({
    ...{ name: component, component, processed: 1, billed: 0, effective, visibility },
  });
  const waterfall = (stages: Waterfall['stages'], effective: number | null): Waterfall => ({
    ...{ of: 'x', metric: 'cpuTime', requests: 1, billed: 4, effective, stages, inNoStage: 0 },
  });

  it('are its components, largest first, with the share that no bill shows', () => {
    const stages = [stage('a', 1, 'none'), stage('b', 7, 'high'), stage('a', 2, 'none')];
    expect(workParts(waterfall(stages, 10))).toEqual({
      parts: [
        { component: 'b', share: 0.7 },
        { component: 'a', share: expect.closeTo(0.3, 12) },
      ],
      hidden: expect.closeTo(0.3, 12),
    });
  });

  it('are not known where a stage was not measured', () => {
    expect(workParts(waterfall([stage('a', null, 'none')], 10))).toBeNull();
    expect(workParts(waterfall([], null))).toBeNull();
  });
});
