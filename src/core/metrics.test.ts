import { describe, expect, it } from 'vitest';
import { additiveMetrics, isDerived, metricOf, metrics, workMetricNames } from './metrics.js';
import { workSchema } from './work.js';

const request = {
  tokens: { completion: 9, reasoning: 3 },
  times: { submitted: 100, started: 150, firstToken: 400, lastToken: 1400, ended: 1500 },
  work: { cpuTime: 7, kvBytes: 1000, peakMemory: 1500 },
};

describe('the registry of metrics', () => {
  it('names each metric once, and every kind of work that a result carries', () => {
    expect(new Set(metrics.map(({ name }) => name)).size).toBe(metrics.length);
    expect(Object.keys(workSchema.shape)).toEqual(workMetricNames());
  });

  it('ranks metrics without a tie', () => {
    expect(new Set(metrics.map(({ importance }) => importance)).size).toBe(metrics.length);
  });

  it('adds up over requests what is spent, and nothing that is held and given back', () => {
    const held = workMetricNames().filter((name) => metricOf(name).addsUp.noTotal !== null);
    expect(held).toEqual(['peakMemory', 'kvBytes', 'activationBytes']);
    // The KV cache of a request is that of its stages all the same.
    expect(additiveMetrics()).toContain('kvBytes');
  });

  it('calls derived what follows from counts alone, without a measured time', () => {
    expect(metrics.filter(isDerived).map(({ name }) => name)).toEqual([
      'kvBytes',
      'flops',
      'memoryTraffic',
      'activationBytes',
    ]);
  });

  it.each([
    ['ttft', 1, 300],
    ['e2e', 1, 1400],
    // Five gaps between the six tokens that are shown.
    ['tpot', 1, 200],
    ['tpot', 2, 500],
    ['tpot', 6, null],
    ['cpuTime', 1, 7],
    ['energy', 1, null],
    ['peakMemory', 1, 1500],
  ] as const)('reads %s of a request of %d rows as %s', (name, batch, value) => {
    expect(metricOf(name).ofRequest(request, batch)).toBe(value);
  });

  it('takes a peak below the KV cache that a request held for unknown', () => {
    const below = { ...request, work: { ...request.work, kvBytes: 1501 } };
    expect(metricOf('peakMemory').ofRequest(below, 1)).toBeNull();
  });
});
