import { describe, expect, it } from 'vitest';
import { summarizeCells } from './cell-summary.js';
import { failedRequest, okRequest, testModel, testResult } from './result.test-support.js';
import { repetitionNoise, spreadByModel } from './spread.js';
import { tailLatencies } from './tail-latency.js';

/** One cell per entry, its requests each billed 7 tokens, with the CPU times given. */
function resultOf(cpuTimes: Record<string, (number | null)[]>) {
  const cells = Object.keys(cpuTimes).map((id) => ({ id, model: id.split('/')[0]!, factors: {} }));
  const requests = Object.entries(cpuTimes).flatMap(([cell, times]) =>
    times.map((cpuTime) => okRequest({ cell, work: { ...okRequest().work, cpuTime } })),
  );
  const models = [...new Set(cells.map(({ model }) => model))].map((id) => testModel(id, 'fp32'));
  return testResult({ models, cells, requests });
}

function spreadsOf(cpuTimes: Record<string, (number | null)[]>) {
  return spreadByModel(summarizeCells(resultOf(cpuTimes)));
}

describe('the spread of CPU time per billed token', () => {
  it('names the cheapest and the dearest cell and how far apart they are', () => {
    expect(spreadsOf({ 'm/a': [70], 'm/b': [7, 14, 700], 'm/c': [210] })).toEqual([
      {
        model: 'm',
        cells: 3,
        cheapest: { cell: 'm/b', ns: 2 },
        dearest: { cell: 'm/c', ns: 30 },
        medianNs: 10,
        ratio: 15,
      },
    ]);
  });

  it('is taken within each model', () => {
    const ratios = spreadsOf({ 'm/a': [7], 'n/a': [700], 'm/b': [14], 'n/b': [2800] }).map(
      ({ model, ratio }) => [model, ratio],
    );
    expect(ratios).toEqual([
      ['m', 2],
      ['n', 4],
    ]);
  });

  it.each([
    [{ 'm/a': [7] }, 'single-cell'],
    [{ 'm/a': [7], 'm/b': [null] }, 'single-cell'],
    [{ 'm/a': [null], 'm/b': [] }, 'not-measured'],
    [{ 'm/a': [0], 'm/b': [7] }, 'zero-cost'],
  ])('of %j is absent: %s', (cpuTimes, reason) => {
    expect(spreadsOf(cpuTimes)).toEqual([{ model: 'm', ratio: null, reason }]);
  });
});

describe('the noise between repetitions', () => {
  it('is the median over cells of σ over the median, σ being 1.4826 median absolute deviations', () => {
    // Deviations 10/100, 0/50 and 40/200; the cell of two requests says too little.
    const noise = repetitionNoise(
      resultOf({ 'm/a': [90, 100, 130], 'm/b': [50, 50, 50], 'm/c': [160, 200, 300], 'm/d': [1, 100] }),
    );
    expect(noise.value).toBeCloseTo(0.14826, 12);
  });

  it('is absent without three requests of one cell', () => {
    expect(repetitionNoise(resultOf({ 'm/a': [1, 2] }))).toEqual({ value: null, reason: 'too-short' });
  });
});

describe('tail latencies', () => {
  const requestsOf = (count: number) =>
    Array.from({ length: count }, (_, index) =>
      okRequest({ times: { submitted: 0, started: 0, firstToken: index, lastToken: 2 * index } }),
    );

  it('need 64 successful requests for a p90 and 130 for a p95', () => {
    expect(tailLatencies(testResult({ requests: [...requestsOf(63), failedRequest()] }))).toEqual([]);
    const [tail] = tailLatencies(testResult({ requests: requestsOf(101) }));
    expect(tail).toEqual({
      model: 'm',
      requests: 101,
      timeToFirstTokenNs: { median: 50, p90: 90, p95: null, p99: null },
      endToEndNs: { median: 100, p90: 180, p95: null, p99: null },
    });
    expect(tailLatencies(testResult({ requests: requestsOf(130) }))[0]!.endToEndNs.p95).toBeCloseTo(245.1, 9);
  });
});
