import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { isOk, type Result } from '../core/result.js';
import { Journal, journalPathOf } from '../journal/append.js';
import { measuredRun, ownTimeOf, type Preparation } from '../journal/measured-run.js';
import { readJournal } from '../journal/read.js';
import type { SensorSpec } from '../sensors/catalogue.js';
import { formatSession } from '../sensors/session.test-support.js';
import { codesOf, expectConserved, ShortRuns, suiteOf } from './testing/short-runs.js';

// Long enough for what a worker does between two runs not to count, however busy the machine.
const runs = new ShortRuns({ completionTokens: [64, 128] });

const asRun = ({ startedNs, endedNs, cpuNs }: Preparation) => ({
  startedNs,
  endsNs: [endedNs],
  cpuNs: [cpuNs],
});

describe('a run on a machine whose processor counts energy', () => {
  it('ends in a whole result where the counter answers garbage, with a warning and a reason', async () => {
    const rapl = runs.fakeRapl();
    let done = 0;
    const result = await runs.bench({
      sensors: [{ sensor: 'rapl', root: rapl.root }],
      energy: true,
      onProgress: (progress) => {
        if (progress.phase === 'measuring' && done++ === 0) rapl.break();
      },
    });
    expect(result.run.complete).toBe(true);
    expect(result.requests.every(isOk)).toBe(true);
    expect(codesOf(result)).toContain('sensor-lost');
    const last = result.requests.filter(isOk).at(-1)!;
    expect(last.work.energy).toBeNull();
    expect(last.absent).toMatchObject({ energy: 'lost' });
    expectConserved(result);
  });

  it('leaves out of a repeated request what is prepared before each time, and shares it among its stages', async () => {
    const { root, watts } = runs.fakeRapl();
    const keep = vi.spyOn(Journal.prototype, 'remove').mockImplementation(function (this: Journal) {
      this.close();
    });
    onTestFinished(() => keep.mockRestore());
    const cached = join(runs.folder, 'cached.json');
    // A request that finds most of its long context in the cache, which is emptied and filled before each time.
    writeFileSync(
      cached,
      JSON.stringify({
        description: 'a test',
        stages: [
          { type: 'tokenization' },
          { type: 'prefill', historyTurns: 15, cache: 'partial', blockTokens: 16, cacheTokens: 2048 },
          { type: 'decode' },
        ],
      }),
    );
    const short = join(runs.folder, 'short.json');
    writeFileSync(short, suiteOf({ promptTokens: [64], completionTokens: [400], pipelines: [cached] }));
    const out = join(runs.folder, 'result.json');
    const result = await runs.bench({ suite: short, out, sensors: [{ sensor: 'rapl', root }], energy: true });
    expectConserved(result);
    const { entries } = readJournal(journalPathOf(out));
    const journalled = [...entries].flatMap((entry) =>
      entry.kind === 'request' && entry.preparations?.length ? [entry] : [],
    );
    expect(journalled.length).toBeGreaterThan(0);
    for (const { row, runs: repeated, preparations = [] } of journalled) {
      if (!('stages' in row)) throw new Error('it failed');
      const measured = repeated ?? [measuredRun(row)];
      const [ownNs, preparingNs] = [ownTimeOf(measured), ownTimeOf(preparations.map(asRun))];
      expect(preparations.length).toBe(measured.length);
      const used = result.requests.filter(isOk).find(({ id }) => id === row.id)!;
      // The DRAM draws a quarter of what the package does.
      const joules = (1.25 * watts * ownNs) / 1e9;
      const inRow = used.work.energy! * (used.runsInWindow ?? 1);
      expect(Math.abs(inRow / joules - 1)).toBeLessThan(0.1);
      expect(inRow).toBeLessThan((1.25 * watts * (ownNs + preparingNs / 2)) / 1e9);
      if (measured.length === 1) continue; // On a machine this busy, stages stand by windows of their own.
      const inStages = used.stages.reduce((sum, { work }) => sum + work.energy!, 0);
      expect(Math.abs(inStages / used.work.energy! - 1)).toBeLessThan(1e-7);
    }
    expect(codesOf(result)).not.toContain('ledger-mismatch');
  });

  it('keeps the energy of what had finished when it was killed', async () => {
    const { root } = runs.fakeRapl();
    const sensors: SensorSpec[] = [{ sensor: 'rapl', root }];
    const out = join(runs.folder, 'result.json');
    await runs.stopped({ out, sensors, energy: true, repetitions: 3 }, 'SIGKILL', 2);
    const { entries } = readJournal(journalPathOf(out));
    const finished = [...entries].flatMap((entry) => (entry.kind === 'request' ? [entry.row.id] : []));
    expect(finished.length).toBeGreaterThanOrEqual(2);
    expect(finished.length).toBeLessThan(6);

    const result = await runs.bench({ suite: undefined, resume: out, sensors });
    expect(result.run.complete).toBe(true);
    expectConserved(result);
    // What ended within a quarter of a second of the kill may have no sample after it.
    for (const id of finished.slice(0, -1)) expect(result.requests[id]!.work!.energy).toBeGreaterThan(0);
    for (const row of result.requests.filter(isOk)) {
      if (!finished.includes(row.id)) expect(row.work.energy).toBeGreaterThan(0);
    }
  });

  it.each([-2000, 90_000])('invents nothing where the counter jumps by %i J', async (joules) => {
    const rapl = runs.fakeRapl();
    const result = await runs.bench({
      sensors: [{ sensor: 'rapl', root: rapl.root }],
      energy: true,
      onProgress: ({ phase, done }) => {
        if (phase === 'measuring' && done === 1) rapl.jump(joules);
      },
    });
    expect(result.run.complete).toBe(true);
    expectConserved(result);
    const { total } = result.conservation['energy/package-0']!;
    expect(total).toBeLessThan(rapl.watts * (result.run.durationNs / 1e9) * 1.1);
  });
});

describe('--validate-attribution', () => {
  it('tells how far sharing CPU time by overlap is off each thread’s own counter', async () => {
    const result = await runs.bench({ sensors: [{ sensor: 'process' }], validateAttribution: true });
    expect(result.run.concurrency).toBe(2);
    const [own, alone] = result.attributionErrors!;
    expect(own).toMatchObject({ metric: 'cpuTime', against: expect.stringContaining('own counter') });
    expect(own!.compared).toBeGreaterThan(0);
    expect(own!.median).toBeLessThan(1);
    expect(alone).toMatchObject({
      metric: 'cpuTime',
      against: expect.stringContaining('only one'),
      compared: 2,
    });
    expect(result.conservation.cpuTime!.requests).toBeLessThanOrEqual(result.conservation.cpuTime!.total);
  });

  it('is finished by resuming where the run was killed or stopped meanwhile, and loses nothing', async () => {
    const sensors: SensorSpec[] = [{ sensor: 'process' }];
    const out = join(runs.folder, 'result.json');
    const stop = new AbortController();
    let alone = 0;
    const append = Journal.prototype.append;
    const watched = vi.spyOn(Journal.prototype, 'append').mockImplementation(function (this: Journal, entry) {
      append.call(this, entry);
      if (entry.kind === 'alone' && ++alone === 2) {
        copyFileSync(this.path, join(runs.folder, 'killed'));
        stop.abort();
      }
    });
    const first = runs.bench({ out, sensors, validateAttribution: true, signal: stop.signal });
    await expect(first).rejects.toMatchObject({
      ...{ code: 'interrupted', exitCode: 3, message: expect.stringContaining('requests alone') },
    });
    watched.mockRestore();
    const part: Result = JSON.parse(readFileSync(out, 'utf8'));
    expect(part.run.complete).toBe(true);
    expect(codesOf(part)).toContain('attribution-unvalidated');

    const whole = await runs.bench({ suite: undefined, sensors, resume: out });
    expect(whole.requests).toEqual(part.requests);
    expect(whole.attributionErrors!.length).toBeGreaterThan(0);
    expect(codesOf(whole)).not.toContain('attribution-unvalidated');
    expect(existsSync(journalPathOf(out))).toBe(false);

    // As a kill at that moment leaves it: no word of having stopped.
    copyFileSync(join(runs.folder, 'killed'), journalPathOf(out));
    const revived = await runs.bench({ suite: undefined, sensors, resume: out });
    expect(revived.requests).toEqual(part.requests);
    expect(revived.attributionErrors!.length).toBeGreaterThan(0);
    expect(codesOf(revived)).toContain('resumed');
  });

  it('holds shared energy against the same requests alone', async () => {
    const { root } = runs.fakeRapl();
    const result = await runs.bench({ sensors: [{ sensor: 'rapl', root }], validateAttribution: true });
    expect(result.attributionErrors).toMatchObject([{ metric: 'energy', compared: 2, concurrency: 2 }]);
  });
});

describe('a recorded session in place of the machine', () => {
  /** Two GPUs at 300 W and 200 W, the second without any reading of power. */
  function record(seconds: number): string {
    const path = join(runs.folder, 'session.jsonl');
    const stepNs = 2e7;
    writeFileSync(
      path,
      formatSession({
        machine: 'a machine with two GPUs',
        channels: [
          { quantity: 'energy', device: 'gpu-0', unit: 'J', kind: 'counter' },
          { quantity: 'utilisation', device: 'gpu-0', unit: 'ratio', kind: 'gauge' },
          { quantity: 'utilisation', device: 'gpu-1', unit: 'ratio', kind: 'gauge' },
        ],
        samples: Array.from({ length: (seconds * 1e9) / stepNs }, (_, index) => index).flatMap((index) => [
          { timeNs: index * stepNs, channel: 0, value: (300 * index * stepNs) / 1e9 },
          { timeNs: index * stepNs, channel: 1, value: 1 },
          { timeNs: index * stepNs, channel: 2, value: 0.5 },
        ]),
      }),
    );
    return path;
  }

  it('gives energy and GPU time, and says loudly that they are not of this machine', async () => {
    const result = await runs.bench({ sensors: `recorded:${record(60)}`, energy: true });
    expect(codesOf(result)).toContain('recorded-sensors');
    for (const metric of ['energy', 'gpuTime']) expect(result.metrics[metric]!.method).toMatch(/^RECORDED/);
    expect(result.metrics.energy!.method).toContain('gpu-0 (recorded counter)');
    expectConserved(result);
    for (const row of result.requests.filter(isOk)) {
      // 300 W, and one GPU wholly busy beside one that is half busy.
      expect(row.work.energy! / (row.work.gpuTime! / 1e9)).toBeCloseTo(300 / 1.5, 0);
    }
  });

  it('says where the recording is over before the run', async () => {
    const result = await runs.bench({ sensors: `recorded:${record(1.2)}`, energy: true, repetitions: 8 });
    expect(result.run.complete).toBe(true);
    expect(codesOf(result)).toContain('sensor-lost');
    expect(result.requests.filter(isOk).at(-1)!.absent).toMatchObject({ energy: 'lost' });
  });
});
