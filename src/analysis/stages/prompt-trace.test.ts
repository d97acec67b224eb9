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
const reference = (scale: number) =>
  request([{ name: 'decode', type: 'decode', tokens: 256, billed: 256, cpu: 2560 * scale }]);
const rounds = (...rows: OkRequest[]) => rows.map((row, repetition) => ({ ...row, repetition }));

describe('a traced prompt', () => {
  it('is weighed in plain tokens of the reference beside it', () => {
    const { metric, plainToken, effective, stages, waterfall } = promptTrace(
      [traced(1)],
      [reference(1)],
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
    const { claim } = promptTrace([traced(2, more)], [reference(1)], 'Hello');
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

  it('has the interval of its mean on the logarithm, by Student’s t', () => {
    const { effective, plainToken } = promptTrace(
      rounds(traced(0.9), traced(1), traced(1.1)),
      rounds(reference(1), reference(1), reference(1)),
      'Hello',
    );
    // Relative standard error 0.1/√3 and two degrees of freedom: t(0.975, 2) = 4.3027.
    expect(effective.value).toBeCloseTo(89, 9);
    expect(Math.log(effective.high! / 89)).toBeCloseTo((4.3027 * 0.1) / Math.sqrt(3), 4);
    expect(effective.low! * effective.high!).toBeCloseTo(89 ** 2, 6);
    expect(plainToken).toEqual({ value: 10, low: 10, high: 10 });
  });

  it('is held against the reference of its own round, so that what slows both is no error', () => {
    const paces = [0.8, 1, 1.3];
    const { effective, plainToken } = promptTrace(
      rounds(...paces.map((pace) => traced(pace))),
      rounds(...paces.map(reference)),
      'Hello',
    );
    expect(effective.low).toBeCloseTo(89, 9);
    expect(effective.high).toBeCloseTo(89, 9);
    expect(plainToken.high! / plainToken.low!).toBeGreaterThan(2);
  });

  it('leaves out a round in which the reference failed', () => {
    const { effective, repetitions } = promptTrace(
      rounds(traced(1), traced(1), traced(5)),
      rounds(reference(1), reference(1)),
      'Hello',
    );
    expect(repetitions).toBe(2);
    expect(effective.value).toBeCloseTo(89, 9);
  });

  it('has no interval of one round, or where it would reach tenfold', () => {
    const single = promptTrace(rounds(traced(1), traced(1.1)), rounds(reference(1)), 'Hello');
    expect(single.effective).toEqual({ value: 89, low: null, high: null });
    const loud = promptTrace(rounds(traced(1), traced(3)), rounds(reference(1), reference(1)), 'Hello');
    expect(loud.effective).toEqual({ value: 178, low: null, high: null });
  });

  it('counts FLOPs where a stage’s CPU time was not measured', () => {
    const blind = traced(1);
    blind.stages[0]!.work.cpuTime = null;
    expect(promptTrace([blind], [reference(1)], 'Hello').metric).toBe('flops');
  });
});
