import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readResult } from '../core/migrate.js';
import type { OkRequest } from '../core/result.js';
import { type CellSummary, summarizeCells } from './cell-summary.js';
import type { Figure } from './figure.js';
import { failedRequest, okRequest, realisticResult, testResult } from './result.test-support.js';

function summaryOf(...requests: (ReturnType<typeof okRequest> | ReturnType<typeof failedRequest>)[]) {
  return summarizeCells(testResult({ requests }))[0]!;
}

function figures(summary: CellSummary): Record<string, Figure> {
  const { cell, succeeded, failed, metrics, perBilledToken, ...rest } = summary;
  const perToken = Object.entries(perBilledToken).map(([name, figure]) => [`${name} per token`, figure]);
  return { ...rest, ...metrics, ...Object.fromEntries(perToken) };
}

describe('the test results', () => {
  it('follow the schema', () => {
    for (const result of [testResult({ requests: [okRequest(), failedRequest()] }), realisticResult()]) {
      expect(readResult(result)).toEqual(result);
    }
  });
});

describe('a cell of one request', () => {
  const summary = summaryOf(okRequest());

  it('has its latencies from submission and from the start of work', () => {
    expect(summary.queueWaitNs.value).toBe(10);
    expect(summary.metrics.ttft.value).toBe(110);
    expect(summary.serviceTimeToFirstTokenNs.value).toBe(100);
    expect(summary.metrics.e2e.value).toBe(210);
    expect(summary.serviceNs.value).toBe(200);
    // (E2E − TTFT) / (n − 1).
    expect(summary.metrics.tpot.value).toBe((210 - 110) / 2);
  });

  it('has its CPU time per billed token', () => {
    expect(summary.perBilledToken.cpuTime.value).toBe(700 / (4 + 3));
  });

  it('is held against the ceilings over its service time', () => {
    // 200 ns at 1e10 FLOP/s and 1e10 B/s could hold 2000 FLOP and 2000 bytes.
    expect(summary.flopsUtilisation.value).toBeCloseTo(1000 / 2000, 12);
    expect(summary.bandwidthUtilisation.value).toBeCloseTo(400 / 2000, 12);
    // As a whole it is bound by arithmetic: 1000 FLOP at 1e10 FLOP/s are 100 ns.
    expect(summary.rooflineNs.value).toBeCloseTo(100, 9);
  });
});

describe('the roofline time', () => {
  const stage = (name: string, flops: number, memoryTraffic: number) => ({
    name,
    visible: true,
    tokens: 1,
    billed: 1,
    times: { started: 0, ended: 1 },
    work: { flops, memoryTraffic },
  });

  it('is summed over stages bound by different ceilings', () => {
    const stages = [stage('prefill', 900, 100), stage('decode', 100, 300)];
    // max(90, 10) + max(10, 30) ns, above the whole request's max(100, 40).
    expect(summaryOf(okRequest({ stages })).rooflineNs.value).toBeCloseTo(120, 9);
  });

  it('falls back to the whole request where stages do not hold all of its work', () => {
    const stages = [stage('prefill', 900, 100)];
    expect(summaryOf(okRequest({ stages })).rooflineNs.value).toBeCloseTo(100, 9);
  });
});

describe('a cell of several requests', () => {
  it('has medians over the successful ones, and counts the failed', () => {
    const times = (lastToken: number) => ({ submitted: 0, started: 0, firstToken: 100, lastToken });
    const summary = summaryOf(
      okRequest({ times: times(300) }),
      okRequest({ times: times(900) }),
      okRequest({ times: times(200) }),
      failedRequest(),
    );
    expect(summary).toMatchObject({ succeeded: 3, failed: 1 });
    expect(summary.metrics.e2e.value).toBe(300);
    expect(summary.metrics.tpot.value).toBe(100);
  });

  it('takes medians of the requests that carry a metric', () => {
    const work = (peakMemory: number | null) => ({ ...okRequest().work, kvBytes: 1, peakMemory });
    const summary = summaryOf(okRequest({ work: work(10) }), okRequest({ work: work(null) }));
    expect(summary.metrics.peakMemory).toEqual({ value: 10, reason: null });
  });
});

describe('a batch', () => {
  it('counts the tokens of all rows, and times those of one', () => {
    const cells = [{ id: 'm/p4/c3', model: 'm', factors: { batch: 4 } }];
    const tokens = { prompt: 16, completion: 12, cached: 0, reasoning: 0, hidden: 0, processed: 28 };
    const [summary] = summarizeCells(testResult({ cells, requests: [okRequest({ tokens })] }));
    expect(summary!.metrics.tpot.value).toBe(50);
    expect(summary!.perBilledToken.cpuTime.value).toBe(700 / 28);
  });
});

describe('a figure that cannot be had', () => {
  it('names that no request succeeded', () => {
    for (const summary of [summaryOf(), summaryOf(failedRequest())]) {
      for (const figure of Object.values(figures(summary))) {
        expect(figure).toEqual({ value: null, reason: 'no-successful-request' });
      }
    }
  });

  it('names the time per output token of a single one', () => {
    const tokens = { ...okRequest().tokens, completion: 1 };
    expect(summaryOf(okRequest({ tokens })).metrics.tpot.reason).toBe('too-short');
  });

  it('names a bill of nothing', () => {
    const tokens = { ...okRequest().tokens, prompt: 0, completion: 0 };
    expect(summaryOf(okRequest({ tokens })).perBilledToken.cpuTime.reason).toBe('no-tokens');
  });

  it('names a request that took no time at all', () => {
    const times = { submitted: 5, started: 5, firstToken: 5, lastToken: 5 };
    const summary = summaryOf(okRequest({ times }));
    expect(summary.flopsUtilisation.reason).toBe('too-short');
    expect(summary.bandwidthUtilisation.reason).toBe('too-short');
  });

  it("names a ceiling that was not measured for the model's dtype", () => {
    const hardware = { ...testResult().hardware, ceilings: null };
    const [summary] = summarizeCells(testResult({ hardware, requests: [okRequest()] }));
    expect(summary!.flopsUtilisation.reason).toBe('no-ceiling');
    expect(summary!.bandwidthUtilisation.reason).toBe('no-ceiling');
    expect(summary!.rooflineNs.reason).toBe('no-ceiling');
  });

  it("gives the row's reason before the metric's", () => {
    const work = { ...okRequest().work, cpuTime: null };
    const metrics = { cpuTime: { ...testResult().metrics.cpuTime!, reason: 'unsupported' as const } };
    const reasonOf = (request: OkRequest) =>
      summarizeCells(testResult({ metrics, requests: [request] }))[0]!.perBilledToken.cpuTime.reason;
    expect(reasonOf(okRequest({ work, absent: { cpuTime: 'not-applicable' } }))).toBe('not-applicable');
    expect(reasonOf(okRequest({ work }))).toBe('unsupported');
  });
});

describe('any request', () => {
  it('gives finite figures or reasons', () => {
    const amount = fc.option(fc.nat(1e12));
    const request = fc.record({
      prompt: fc.nat(3),
      completion: fc.nat(3),
      durations: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2)),
      cpuTime: amount,
      flops: amount,
      memoryTraffic: amount,
    });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 4 }), (rows) => {
        const requests = rows.map(({ prompt, completion, durations: [wait, first, rest], ...work }) =>
          okRequest({
            tokens: { ...okRequest().tokens, prompt, completion },
            times: { submitted: 0, started: wait, firstToken: wait + first, lastToken: wait + first + rest },
            work: { ...okRequest().work, ...work },
          }),
        );
        for (const { value, reason } of Object.values(figures(summaryOf(...requests)))) {
          expect(value === null ? reason !== null : Number.isFinite(value)).toBe(true);
        }
      }),
    );
  });
});
