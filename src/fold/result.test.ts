import { decodeFromCompressedBase64 } from 'hdr-histogram-js';
import { describe, expect, it } from 'vitest';
import { resultText } from '../core/json/result-text.js';
import { type Result, resultSchema } from '../core/result.js';
import type { JournalEntry, JournalHeader } from '../journal/entry.js';
import { contentsOf, finished, header, okRow } from '../journal/testing/journal-sample.js';
import { foldJournal } from './result.js';

function foldOf(of: JournalHeader, entries: readonly JournalEntry[]): Result {
  const { head, rows } = foldJournal(contentsOf(of, entries));
  return { ...head, requests: [...rows()] };
}
const fold = (...entries: JournalEntry[]) => resultSchema.parse(foldOf(header, [header, ...entries]));
const resumed: JournalEntry = { kind: 'resumed', at: '2026-11-23T11:00:00.000Z', warnings: [] };
const ended = (atNs: number, processCpuNs: number): JournalEntry => ({ kind: 'ended', atNs, processCpuNs });

describe('a folded journal', () => {
  it('is written row by row as it would be as a whole', () => {
    for (const ids of [[], [0], [0, 1, 2]]) {
      const entries = [header, ...ids.flatMap((id) => finished(id, 150))];
      const whole = resultSchema.parse(foldOf(header, entries));
      const text = [...resultText(foldJournal(contentsOf(header, entries)))].join('');
      expect(text).toBe(`${JSON.stringify(whole, null, 1)}\n`);
    }
  });

  it('is complete when every planned request has a row', () => {
    const rows = [0, 1, 2, 3, 4, 5].flatMap((id) => finished(id, 0));
    expect(fold(...rows).run).toMatchObject({ complete: true, plannedRequests: 6 });
    expect(fold(...rows.slice(2)).run).toMatchObject({ complete: false, plannedRequests: 6 });
  });

  it('has its rows in order of id, and none twice', () => {
    const { requests } = fold(...[3, 0, 3, 2].flatMap((id) => finished(id, 0)));
    expect(requests.map(({ id }) => id)).toEqual([0, 2, 3]);
  });

  it('has the peak memory of a cell in its first row, and says of the others that they are not the one', () => {
    const head = { ...header, memoryApart: true };
    const rows = [0, 2, 4].flatMap((id) =>
      finished(id, 0).map((entry) =>
        entry.kind === 'request'
          ? { ...entry, row: { ...entry.row, absent: { peakMemory: 'not-sampled' } } }
          : entry,
      ),
    ) as JournalEntry[];
    const peak = (peakBytes: number | null): JournalEntry => ({ kind: 'memory', cell: 'm/p1/c1', peakBytes });
    const of = (...entries: JournalEntry[]) =>
      foldOf(head, [...rows, ...entries]).requests.map((row) => [
        row.work?.peakMemory ?? null,
        'absent' in row ? row.absent?.peakMemory : undefined,
      ]);
    const others = [
      [null, 'not-sampled'],
      [null, 'not-sampled'],
    ];
    expect(of(peak(4096))).toEqual([[4096, undefined], ...others]);
    expect(of(peak(null))).toEqual([[null, 'too-short'], ...others]);
    expect(of()).toEqual([[null, 'not-sampled'], ...others]);
  });

  it('conserves CPU time: requests and the rest are the process’s', () => {
    const { conservation } = fold(...finished(0, 150, 100), ...finished(1, 310, 120), ended(5000, 330));
    expect(conservation.cpuTime).toEqual({
      total: 330,
      requests: 220,
      idle: 0,
      unattributed: 110,
      unit: 'ns',
    });
  });

  it('adds up the segments of a run that was killed and resumed', () => {
    const { conservation, warnings } = fold(
      ...finished(0, 150, 100),
      { kind: 'started', id: 1 },
      resumed,
      ...finished(1, 130, 120),
      ended(5000, 140),
    );
    expect(conservation.cpuTime).toMatchObject({ total: 150 + 140, requests: 220 });
    expect(warnings).toMatchObject([{ code: 'resumed' }]);
  });

  it('says whether its requests are a sample, as a trace’s are, or the cells of a design', () => {
    const traced = {
      ...header,
      settings: { ...header.settings, workload: { trace: '/x.csv', limit: null } },
    };
    const of = (head: typeof header) => foldOf(head, finished(0, 1)).run.design;
    expect([of(header), of(traced)]).toEqual(['fixed', 'sampled']);
  });

  it('claims no conservation where CPU time was not measured', () => {
    expect(fold(...finished(0, 150, null)).conservation).toEqual({});
  });

  it('counts warm-ups of every segment', () => {
    const warmup: JournalEntry = { kind: 'warmup', model: 'm', requests: 2, durationNs: 500 };
    const { run, models } = fold(warmup, ...finished(0, 0), resumed, warmup);
    expect(models[0]!.warmup).toEqual({ requests: 4, durationNs: 1000 });
    expect(run.warmupRequests).toBe(4);
  });

  it('counts for a helper the warm-ups in which it ran, and none of them twice', () => {
    const alongside = { guard: { requests: 1, durationNs: 30 } };
    const warmup: JournalEntry = { kind: 'warmup', model: 'm', requests: 2, durationNs: 500, alongside };
    const [model] = header.models;
    const head = { ...header, models: [model!, { ...model!, id: 'guard', roles: ['classifier'] }] };
    const entries = [warmup, ...finished(0, 0)];
    const { run, models } = foldOf(head, entries);
    expect(models.map(({ warmup: own }) => own)).toEqual([
      { requests: 2, durationNs: 500 },
      { requests: 1, durationNs: 30 },
    ]);
    expect(run.warmupRequests).toBe(2);
  });

  it('keeps the gaps between tokens as a histogram', () => {
    const gapsNs = [1_000_000, 2_000_000, 3_000_000, 3_000_000];
    const row = (id: number, gaps: number[]): JournalEntry => ({
      kind: 'request',
      row: okRow(id, 100, gaps),
      processCpuNs: 0,
    });
    const [first, second, none] = fold(row(0, gapsNs), row(1, [5000]), row(2, [])).requests;
    const decode = (request: typeof first) =>
      decodeFromCompressedBase64((request as { interTokenLatency: string }).interTokenLatency);
    expect(decode(first).totalCount).toBe(4);
    // Three significant digits.
    expect(decode(first).mean / 2_250_000).toBeCloseTo(1, 2);
    expect(decode(first).maxValue / 3_000_000).toBeCloseTo(1, 2);
    expect(decode(second).totalCount).toBe(1);
    expect(none).toMatchObject({ interTokenLatency: null });
  });

  it('has the larger of the ceilings that were measured before and after', () => {
    const gemm = (value: number) => ({ fp32: { value, unit: 'FLOP/s' as const, method: 'product' } });
    const ceilings = { memoryBandwidth: null, gemm: gemm(7), threads: 1 };
    const { hardware } = fold(
      { kind: 'ceilings', ceilings },
      { kind: 'ceilings', ceilings: { ...ceilings, gemm: gemm(5) } },
    );
    expect(hardware.ceilings?.gemm.fp32?.value).toBe(7);
  });

  it('warns once per way of failing', () => {
    const failed = (id: number, code: string): JournalEntry => ({
      kind: 'request',
      row: {
        id,
        cell: 'm/p1/c1',
        repetition: 0,
        worker: 0,
        outcome: { status: 'failed', code, message: 'Why.' },
        tokens: null,
        times: null,
      },
      processCpuNs: 0,
    });
    const { warnings } = fold(failed(0, 'nan-logits'), failed(1, 'nan-logits'), failed(2, 'worker-hung'));
    expect(warnings.map(({ message }) => message)).toEqual([
      '2 of 3 requests failed with nan-logits: Why.',
      '1 of 3 requests failed with worker-hung: Why.',
    ]);
  });
});
