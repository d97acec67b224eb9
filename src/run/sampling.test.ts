import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { isOk, type Result } from '../core/result.js';
import { Journal, journalPathOf } from '../journal/append.js';
import { measuredRun, ownTimeOf, type Preparation } from '../journal/measured-run.js';
import { readJournal } from '../journal/read.js';
import { resolveModel } from '../models/resolve.js';
import type { SensorSpec } from '../sensors/catalogue.js';
import { formatSession } from '../sensors/session.test-support.js';
import { runBench } from './bench.js';
import type { BenchOptions } from './options.js';
import { FakeRapl } from './testing/fake-rapl.js';

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-sampling-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const cacheDirectory = join(directory, 'cache');
const suite = join(directory, 'suite.json');
const cached = join(directory, 'cached.json');

const suiteOf = (block: object) =>
  JSON.stringify({
    ...{ description: 'a test', seed: 1, models: [{ model: 'tiny', dtype: 'fp32' }] },
    ...{ design: [{ promptTokens: [4], ...block }], repetitions: 2 },
  });

beforeAll(async () => {
  // Long enough for what a worker does between two runs not to count, however busy the machine.
  writeFileSync(suite, suiteOf({ completionTokens: [64, 128] }));
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
  await resolveModel('tiny', { dtype: 'fp32', cacheDirectory });
});

let folder = '';
let out = '';
beforeEach(() => {
  folder = mkdtempSync(join(directory, 'run-'));
  out = join(folder, 'result.json');
});

const tool = { version: '0', commit: null };
const bench = async (options: Partial<BenchOptions>): Promise<Result> => {
  const all = {
    suite,
    out,
    cacheDirectory,
    command: 'test',
    tool,
    ceilings: false,
    calibrateForNs: 3e8,
    ...options,
  };
  return (await runBench(all)).result;
};

function fakeRapl(watts = 40): FakeRapl {
  const rapl = new FakeRapl(join(folder, 'sys'), watts);
  onTestFinished(() => rapl.stop());
  return rapl;
}

/** Σ requests + idle + unattributed = total, to the last bit; and the requests' part is the rows'. */
function expectConserved(result: Result): void {
  const energies = Object.entries(result.conservation).filter(([key]) => key.startsWith('energy/'));
  for (const [, { total, requests, idle, unattributed }] of energies) {
    expect(requests + idle + unattributed).toBe(total);
    expect(Math.min(requests, idle, unattributed)).toBeGreaterThanOrEqual(0);
  }
  const inRows = result.requests.reduce((sum, row) => {
    const runs = isOk(row) ? (row.runsInWindow ?? 1) : 1;
    return sum + (row.work?.energy ?? 0) * runs;
  }, 0);
  const inAccounts = energies.reduce((sum, [, { requests }]) => sum + requests, 0);
  expect(inAccounts).toBeCloseTo(inRows, 6);
}

const asRun = ({ startedNs, endedNs, cpuNs }: Preparation) => ({
  startedNs,
  endsNs: [endedNs],
  cpuNs: [cpuNs],
});

const codes = (result: Result) => result.warnings.map(({ code }) => code);

describe('a run on a machine whose processor counts energy', () => {
  it('gives each request, repeated until its window is long enough, what the counters counted', async () => {
    const { root, watts } = fakeRapl();
    const result = await bench({ sensors: [{ sensor: 'rapl', root }], energy: true });
    expect(result.run.complete).toBe(true);
    expect(result.metrics.energy).toMatchObject({ unit: 'J', provenance: 'measured', reason: null });
    expect(result.metrics.energy!.method).toContain('package-0 + dram-0 (rapl counter)');
    expectConserved(result);
    const rows = result.requests.filter(isOk);
    for (const row of rows) {
      expect(row.runsInWindow).toBeGreaterThan(1);
      expect(row.work.energy).toBeGreaterThan(0);
    }
    // At constant power, what was used is the time from the first request to the last, and no more than the run.
    const firstNs = Math.min(...rows.map(({ times }) => times.started));
    const lastNs = Math.max(...rows.map(({ times }) => times.lastToken));
    const { total } = result.conservation['energy/package-0']!;
    expect(total).toBeGreaterThan(0.9 * watts * ((lastNs - firstNs) / 1e9));
    expect(total).toBeLessThan(1.1 * watts * (result.run.durationNs / 1e9));
    const idle = result.idleBaseline!['energy/package-0']!;
    expect(Math.abs(idle.mean! / watts - 1)).toBeLessThan(0.25);
    const line = result.timeline!.find(({ device }) => device === 'package-0')!;
    expect(line).toMatchObject({ sensor: 'rapl', quantity: 'energy', unit: 'W' });
    expect(line.values.length).toBe(line.timesNs.length);
    expect(result.environment.sensors.find(({ name }) => name === 'rapl')).toMatchObject({
      available: true,
      channels: [{ device: 'package-0', quantity: 'energy' }, { device: 'dram-0' }],
    });
    expect(result.environment.sampler).toMatchObject({ dropped: 0 });
  });

  it('leaves out of a repeated request what is prepared before each time, and shares it among its stages', async () => {
    const { root, watts } = fakeRapl();
    const keep = vi.spyOn(Journal.prototype, 'remove').mockImplementation(function (this: Journal) {
      this.close();
    });
    onTestFinished(() => keep.mockRestore());
    const short = join(folder, 'short.json');
    writeFileSync(short, suiteOf({ promptTokens: [64], completionTokens: [400], pipelines: [cached] }));
    const result = await bench({ suite: short, sensors: [{ sensor: 'rapl', root }], energy: true });
    expectConserved(result);
    const { entries } = readJournal(journalPathOf(out));
    const journalled = entries.flatMap((entry) =>
      entry.kind === 'request' && entry.preparations?.length ? [entry] : [],
    );
    expect(journalled.length).toBeGreaterThan(0);
    for (const { row, runs: repeated, preparations = [] } of journalled) {
      if (!('stages' in row)) throw new Error('it failed');
      const runs = repeated ?? [measuredRun(row)];
      const [ownNs, preparingNs] = [ownTimeOf(runs), ownTimeOf(preparations.map(asRun))];
      expect(preparations.length).toBe(runs.length);
      const used = result.requests.filter(isOk).find(({ id }) => id === row.id)!;
      // The DRAM draws a quarter of what the package does.
      const joules = (1.25 * watts * ownNs) / 1e9;
      const inRow = used.work.energy! * (used.runsInWindow ?? 1);
      expect(Math.abs(inRow / joules - 1)).toBeLessThan(0.1);
      expect(inRow).toBeLessThan((1.25 * watts * (ownNs + preparingNs / 2)) / 1e9);
      if (runs.length === 1) continue; // On a machine this busy, stages stand by windows of their own.
      const inStages = used.stages.reduce((sum, { work }) => sum + work.energy!, 0);
      expect(Math.abs(inStages / used.work.energy! - 1)).toBeLessThan(1e-7);
    }
    expect(codes(result)).not.toContain('ledger-mismatch');
  });

  it('states no energy of a request that its counters are too slow for, and keeps what was used', async () => {
    const { root } = fakeRapl();
    const short = join(folder, 'short.json');
    writeFileSync(short, suiteOf({ completionTokens: [2, 4] }));
    const result = await bench({ suite: short, sensors: [{ sensor: 'rapl', root }] });
    for (const row of result.requests.filter(isOk)) {
      expect(row.work.energy).toBeNull();
      expect(row.absent).toMatchObject({ energy: 'too-short' });
    }
    expectConserved(result);
    expect(result.conservation['energy/package-0']!.total).toBeGreaterThan(0);
  });

  it('shares it among concurrent requests, says how, and loses nothing', async () => {
    const { root } = fakeRapl();
    const result = await bench({ sensors: [{ sensor: 'rapl', root }], energy: true, concurrency: 2 });
    expect(result.metrics.energy).toMatchObject({ provenance: 'attributed' });
    expect(result.metrics.energy!.method).toContain('CPU time');
    expectConserved(result);
    const { total, requests } = result.conservation['energy/package-0']!;
    expect(requests / total).toBeGreaterThan(0.5);
  });

  it('ends in a whole result where the counter answers garbage, with a warning and a reason', async () => {
    const rapl = fakeRapl();
    let done = 0;
    const result = await bench({
      sensors: [{ sensor: 'rapl', root: rapl.root }],
      energy: true,
      onProgress: (progress) => {
        if (progress.phase === 'measuring' && done++ === 0) rapl.break();
      },
    });
    expect(result.run.complete).toBe(true);
    expect(result.requests.every(isOk)).toBe(true);
    expect(codes(result)).toContain('sensor-lost');
    const last = result.requests.filter(isOk).at(-1)!;
    expect(last.work.energy).toBeNull();
    expect(last.absent).toMatchObject({ energy: 'lost' });
    expectConserved(result);
  });

  it.each([-2000, 90_000])('invents nothing where the counter jumps by %i J', async (joules) => {
    const rapl = fakeRapl();
    const result = await bench({
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

  it('keeps the energy of what had finished when it was killed', async () => {
    const driver = fileURLToPath(new URL('testing/drive-bench.mjs', import.meta.url));
    const { root } = fakeRapl();
    const sensors: SensorSpec[] = [{ sensor: 'rapl', root }];
    const options = {
      suite,
      out,
      cacheDirectory,
      ceilings: false,
      calibrateForNs: 3e8,
      sensors,
      energy: true,
      repetitions: 3,
    };
    const child = spawn(process.execPath, [driver, JSON.stringify(options)]);
    const ended = once(child, 'exit');
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        if (/measuring [2-5]\/6/.test(chunk.toString())) resolve();
      });
      child.once('exit', () => resolve());
    });
    child.kill('SIGKILL');
    await ended;
    const { entries } = readJournal(journalPathOf(out));
    const finished = entries.flatMap((entry) => (entry.kind === 'request' ? [entry.row.id] : []));
    expect(finished.length).toBeGreaterThanOrEqual(2);
    expect(finished.length).toBeLessThan(6);

    const result = await bench({ suite: undefined, resume: out, sensors });
    expect(result.run.complete).toBe(true);
    expectConserved(result);
    // What ended within a quarter of a second of the kill may have no sample after it.
    for (const id of finished.slice(0, -1)) expect(result.requests[id]!.work!.energy).toBeGreaterThan(0);
    for (const row of result.requests.filter(isOk)) {
      if (!finished.includes(row.id)) expect(row.work.energy).toBeGreaterThan(0);
    }
  });
});

describe('a run without such counters', () => {
  it('says by the nearest sensor why, and what would help', async () => {
    const nowhere = join(folder, 'nothing');
    const sensors: SensorSpec[] = [
      { sensor: 'process', root: nowhere },
      { sensor: 'system-cpu', root: nowhere },
      { sensor: 'pressure', root: nowhere },
      { sensor: 'rapl', root: nowhere },
      { sensor: 'nvml', libraryPath: join(nowhere, 'nvml.so') },
    ];
    const result = await bench({ sensors, energy: true });
    expect(result.run.complete).toBe(true);
    expect(result.metrics.energy).toMatchObject({
      provenance: 'unavailable',
      reason: 'unsupported',
      hint: expect.stringContaining('RAPL'),
    });
    expect(result.metrics.gpuTime).toMatchObject({ reason: 'not-applicable' });
    expect(codes(result)).toContain('energy-unavailable');
    const named = result.environment.sensors.filter(({ available }) => !available);
    expect(named.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['system-cpu', 'pressure', 'rapl', 'nvml']),
    );
    for (const { reason, hint } of named) expect([reason, hint]).not.toContain(null);
    for (const row of result.requests.filter(isOk)) expect(row.work.energy).toBeNull();
  });

  it('goes on where the sampler does not start', async () => {
    const result = await bench({ sensors: [{ sensor: 'unheard of' } as never] });
    expect(result.run.complete).toBe(true);
    expect(codes(result)).toContain('sampler-failed');
  });

  it('samples nothing where nothing is to be sampled', async () => {
    const result = await bench({ sensors: 'none' });
    expect(result.timeline).toBeUndefined();
    expect(result.metrics.energy).toMatchObject({ provenance: 'unavailable', reason: 'not-applicable' });
  });

  it.each([
    [{ sensors: 'none', energy: true }, 'bad-option'],
    [{ validateAttribution: true, concurrency: 1 }, 'bad-option'],
    [{ sensors: 'recorded:/no/such/file' }, 'no-session'],
  ] as const)('refuses %o before it measures anything', async (options, code) => {
    await expect(bench(options)).rejects.toMatchObject({ code, exitCode: 2 });
  });
});

describe('a recorded session in place of the machine', () => {
  /** Two GPUs at 300 W and 200 W, the second without any reading of power. */
  function record(seconds: number): string {
    const path = join(folder, 'session.jsonl');
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
    const result = await bench({ sensors: `recorded:${record(60)}`, energy: true });
    expect(codes(result)).toContain('recorded-sensors');
    for (const metric of ['energy', 'gpuTime']) expect(result.metrics[metric]!.method).toMatch(/^RECORDED/);
    expect(result.metrics.energy!.method).toContain('gpu-0 (recorded counter)');
    expectConserved(result);
    for (const row of result.requests.filter(isOk)) {
      // 300 W, and one GPU wholly busy beside one that is half busy.
      expect(row.work.energy! / (row.work.gpuTime! / 1e9)).toBeCloseTo(300 / 1.5, 0);
    }
  });

  it('says where the recording is over before the run', async () => {
    const result = await bench({ sensors: `recorded:${record(1.2)}`, energy: true, repetitions: 8 });
    expect(result.run.complete).toBe(true);
    expect(codes(result)).toContain('sensor-lost');
    expect(result.requests.filter(isOk).at(-1)!.absent).toMatchObject({ energy: 'lost' });
  });
});

describe('--validate-attribution', () => {
  it('tells how far sharing CPU time by overlap is off each thread’s own counter', async () => {
    const result = await bench({ sensors: [{ sensor: 'process' }], validateAttribution: true });
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
    const stop = new AbortController();
    let alone = 0;
    const append = Journal.prototype.append;
    const watched = vi.spyOn(Journal.prototype, 'append').mockImplementation(function (this: Journal, entry) {
      append.call(this, entry);
      if (entry.kind === 'alone' && ++alone === 2) {
        copyFileSync(this.path, join(folder, 'killed'));
        stop.abort();
      }
    });
    const first = bench({ sensors, validateAttribution: true, signal: stop.signal });
    await expect(first).rejects.toMatchObject({
      ...{ code: 'interrupted', exitCode: 3, message: expect.stringContaining('requests alone') },
    });
    watched.mockRestore();
    const part: Result = JSON.parse(readFileSync(out, 'utf8'));
    expect(part.run.complete).toBe(true);
    expect(codes(part)).toContain('attribution-unvalidated');

    const whole = await bench({ suite: undefined, sensors, resume: out });
    expect(whole.requests).toEqual(part.requests);
    expect(whole.attributionErrors!.length).toBeGreaterThan(0);
    expect(codes(whole)).not.toContain('attribution-unvalidated');
    expect(existsSync(journalPathOf(out))).toBe(false);

    // As a kill at that moment leaves it: no word of having stopped.
    copyFileSync(join(folder, 'killed'), journalPathOf(out));
    const revived = await bench({ suite: undefined, sensors, resume: out });
    expect(revived.requests).toEqual(part.requests);
    expect(revived.attributionErrors!.length).toBeGreaterThan(0);
    expect(codes(revived)).toContain('resumed');
  });

  it('holds shared energy against the same requests alone', async () => {
    const { root } = fakeRapl();
    const result = await bench({ sensors: [{ sensor: 'rapl', root }], validateAttribution: true });
    expect(result.attributionErrors).toMatchObject([{ metric: 'energy', compared: 2, concurrency: 2 }]);
  });
});
