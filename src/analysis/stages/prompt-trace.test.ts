import { describe, expect, it } from 'vitest';
import type { OkRequest } from '../../core/result.js';
import { promptTrace } from './prompt-trace.js';

/** A request whose stages cost what they are told, in CPU time. */
function request(
  stages: { name: string; type: string; tokens: number; billed: number; cpu: number }[],
): OkRequest {
  const sum = (of: (stage: (typeof stages)[number]) => number) =>
    stages.reduce((total, stage) => total + of(stage), 0);
  const billed = sum((stage) => stage.billed);
  return {
    id: 0,
    cell: 'c',
    repetition: 0,
    worker: 0,
    outcome: { status: 'ok' },
    tokens: {
      prompt: 1,
      completion: billed - 1,
      cached: 0,
      reasoning: 0,
      processed: sum(({ tokens }) => tokens),
      hidden: sum(({ tokens }) => tokens) - billed,
    },
    times: { submitted: 0, started: 0, firstToken: 1, lastToken: 2, ended: 3 },
    interTokenLatency: null,
    work: {
      cpuTime: sum(({ cpu }) => cpu),
      gpuTime: null,
      energy: null,
      peakMemory: null,
      kvBytes: 1,
      kvByteSeconds: 1,
      flops: 1,
      memoryTraffic: 1,
      activationBytes: 1,
    },
    stages: stages.map(({ name, type, tokens, billed, cpu }) => ({
      name,
      type: type as 'safety',
      visible: billed > 0,
      tokens,
      billed,
      times: { started: 0, ended: 1 },
      work: { cpuTime: cpu, flops: 1 },
      ...(name.endsWith('verification') && { detail: { verified: true } }),
    })),
  };
}

const traced = (scale: number, more: Parameters<typeof request>[0] = []) =>
  request([
    ...more,
    { name: 'guard', type: 'safety', tokens: 20, billed: 0, cpu: 200 * scale },
    { name: 'guard: verification', type: 'safety', tokens: 15, billed: 0, cpu: 150 * scale },
    { name: 'retrieval', type: 'retrieval', tokens: 51, billed: 0, cpu: 500 * scale },
    { name: 'decode', type: 'decode', tokens: 3, billed: 3, cpu: 40 * scale },
  ]);
const reference = request([{ name: 'decode', type: 'decode', tokens: 256, billed: 256, cpu: 2560 }]);

describe('a traced prompt', () => {
  it('is weighed in plain tokens of the reference beside it', () => {
    const { metric, plainToken, effective, stages, waterfall } = promptTrace(
      [traced(1)],
      [reference],
      'Hello',
    );
    expect(metric).toBe('cpuTime');
    expect(plainToken.value).toBe(10);
    expect(effective).toEqual({ value: 89, low: null, high: null });
    expect(waterfall).toMatchObject({ billed: 3, effective: 89 });
    expect(stages.map(({ interval }) => interval.value)).toEqual([20, 15, 50, 4]);
  });

  it('is held against the claim in parts that add up', () => {
    const more = [
      { name: 'tokenization', type: 'tokenization', tokens: 0, billed: 0, cpu: 20 },
      { name: 'reasoning', type: 'reasoning', tokens: 12, billed: 0, cpu: 240 },
    ];
    const { claim } = promptTrace([traced(2, more)], [reference], 'Hello');
    expect(claim).toMatchObject([
      { part: 'safety checks', claimed: 20, processed: 20, effective: { value: 40 } },
      { part: 'verification', claimed: 15, processed: 15, effective: { value: 30 } },
      { part: 'context', claimed: 50, processed: 51, effective: { value: 100 } },
      { part: 'hidden reasoning', claimed: null, processed: 12, effective: { value: 24 } },
      { part: 'question and answer', claimed: 4, processed: 3, effective: { value: 8 } },
      { part: 'all else', claimed: null, processed: 0, effective: { value: 2 } },
      { part: 'all', claimed: 89, processed: 101, effective: { value: 204 } },
    ]);
  });

  it('has the interval of its mean, by Student’s t', () => {
    const { effective } = promptTrace([traced(0.9), traced(1), traced(1.1)], [reference, reference], 'Hello');
    // Standard error 0.1·89/√3; two and one degrees of freedom, so t(0.975, 1) = 12.706.
    expect(effective.value).toBeCloseTo(89, 9);
    expect(effective.high! - effective.value).toBeCloseTo((12.7062 * 8.9) / Math.sqrt(3), 2);
  });

  it('counts FLOPs where a stage’s CPU time was not measured', () => {
    const blind = traced(1);
    blind.stages[0]!.work.cpuTime = null;
    expect(promptTrace([blind], [reference], 'Hello').metric).toBe('flops');
  });
});
