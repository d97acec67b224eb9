import { describe, expect, it } from 'vitest';
import { isOk, type OkRequest } from '../../core/result.js';
import { tableOfRequests } from '../requests/table-builder.js';
import { type SimulatedStage, simulateResult } from '../simulated-result.test-support.js';
import { stageColumns } from './columns.js';
import { waterfallOf, waterfallSteps } from './waterfall.js';

/** "Hello", 1 token in and 2 out, as the published claim has it: 89 tokens of computation. */
const hello: SimulatedStage[] = [
  { name: 'tokenization', cost: 0 },
  { name: 'safety', cost: 20, tokens: 20 },
  { name: 'retrieval', cost: 50, tokens: 50 },
  { name: 'prefill', cost: 1.5, billed: 1 },
  { name: 'decode', cost: 2.5, billed: 2 },
  { name: 'verification', cost: 15, tokens: 15 },
];
const requests = (stages: readonly SimulatedStage[], repetitions = 1, noise = 0): OkRequest[] =>
  simulateResult([{ promptTokens: 1, completionTokens: 2, rate: 1, stages }], {
    seed: 1,
    repetitions,
    noise,
  }).requests.filter(isOk);
const columnsOf = (rows: readonly OkRequest[]) => stageColumns(tableOfRequests(rows));
const options = { of: 'hello', metric: 'cpuTime' as const, plainToken: 1e6 };

describe('a waterfall', () => {
  it('leads from the billed tokens to the effective ones, stage by stage', () => {
    const waterfall = waterfallOf(columnsOf(requests(hello)), options);
    expect(waterfall).toMatchObject({ billed: 3, effective: 89, requests: 1, inNoStage: 0 });
    expect(
      waterfall.stages.map(({ name, processed, billed, effective }) => [name, processed, billed, effective]),
    ).toEqual([
      ['tokenization', 0, 0, 0],
      ['safety', 20, 0, 20],
      ['retrieval', 50, 0, 50],
      ['prefill', 1, 1, 1.5],
      ['decode', 2, 2, 2.5],
      ['verification', 15, 0, 15],
    ]);
    const steps = waterfallSteps(waterfall)!;
    expect(steps.map(({ label, from, to }) => [label, from, to])).toEqual([
      ['billed', 0, 3],
      ['tokenization', 3, 3],
      ['safety', 3, 23],
      ['retrieval', 23, 73],
      ['prefill', 73, 73.5],
      ['decode', 73.5, 74],
      ['verification', 74, 89],
      ['effective', 0, 89],
    ]);
  });

  it('falls where a stage costs less than it is billed, as a cached prefix does', () => {
    const cached = [{ name: 'prefill', cost: 20, billed: 100, tokens: 10, cached: 90 }];
    const [, step] = waterfallSteps(waterfallOf(columnsOf(requests(cached)), options))!;
    expect(step).toMatchObject({ label: 'prefill', from: 3, to: 3 - 80 });
  });

  it('is the mean of a cell’s requests, a stage that runs in half of them counting half', () => {
    const [first, second] = [requests(hello)[0]!, requests(hello.slice(0, -1))[0]!];
    const { effective, stages } = waterfallOf(columnsOf([first, second]), options);
    expect(effective).toBeCloseTo(89 - 7.5, 10);
    expect(stages.at(-1)).toMatchObject({ name: 'verification', processed: 7.5, effective: 7.5 });
  });

  it('sums a stage that runs twice, and shows work that is in no stage as such', () => {
    const [request] = requests([...hello, { name: 'safety', cost: 4, tokens: 4 }]);
    Object.assign(request!.work, { cpuTime: 100e6 });
    const waterfall = waterfallOf(columnsOf([request!]), options);
    expect(waterfall.stages.filter(({ name }) => name === 'safety')).toEqual([
      expect.objectContaining({ effective: 24, processed: 24 }),
    ]);
    expect(waterfall.inNoStage).toBeCloseTo(7, 10);
    expect(waterfallSteps(waterfall)!.at(-2)).toMatchObject({ kind: 'rest', to: 100 });
  });

  it('says of each stage whether the bill shows it, from one request alone', () => {
    const drafted = { name: 'decode', cost: 10, billed: 4, tokens: 10 };
    const { stages } = waterfallOf(columnsOf(requests([...hello.slice(0, 4), drafted])), options);
    expect(Object.fromEntries(stages.map(({ name, visibility }) => [name, visibility]))).toEqual({
      tokenization: null,
      safety: 'none',
      retrieval: 'none',
      prefill: 'high',
      decode: 'medium',
    });
  });

  it('has no step where there is no plain token, no request, or a stage was not measured', () => {
    const without = waterfallOf(columnsOf(requests(hello)), { ...options, plainToken: null });
    expect(without).toMatchObject({ effective: null, reason: expect.stringContaining('plain token') });
    expect(waterfallSteps(without)).toBeNull();
    expect(waterfallOf(columnsOf([]), options)).toMatchObject({
      effective: null,
      billed: 0,
      reason: expect.any(String),
    });
    const [request] = requests(hello);
    request!.stages[1]!.work = {};
    expect(waterfallSteps(waterfallOf(columnsOf([request!]), options))).toBeNull();
  });
});
