import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { isOk, type Result } from '../core/result.js';
import { journalPathOf } from '../journal/append.js';
import { readJournal } from '../journal/read.js';
import { resolveModel } from '../models/resolve.js';
import { recordedSensor, sessionOf } from '../sensors/session.test-support.js';
import { checkSession, openSession } from '../sensors/session-file.js';
import { runBench } from './bench.js';
import type { BenchOptions } from './options.js';
import { FakeRapl } from './testing/fake-rapl.js';

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-recording-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const cacheDirectory = join(directory, 'cache');
const suite = join(directory, 'suite.json');

beforeAll(async () => {
  writeFileSync(
    suite,
    JSON.stringify({
      ...{ description: 'a test', seed: 1, models: [{ model: 'tiny', dtype: 'fp32' }] },
      ...{ design: [{ promptTokens: [4], completionTokens: [64, 96] }], repetitions: 2 },
    }),
  );
  await resolveModel('tiny', { dtype: 'fp32', cacheDirectory });
});

let folder = '';
let session = '';
beforeEach(() => {
  folder = mkdtempSync(join(directory, 'run-'));
  session = join(folder, 'session.jsonl');
});

let runs = 0;
const settings = { suite, cacheDirectory, ceilings: false, calibrateForNs: 3e8, energy: true } as const;
async function bench(options: Partial<BenchOptions>): Promise<Result> {
  const out = join(folder, `result-${runs++}.json`);
  const tool = { version: '0', commit: null };
  return (await runBench({ ...settings, out, command: 'test', tool, ...options })).result;
}

function fakeRapl(watts: number): FakeRapl {
  const rapl = new FakeRapl(join(folder, 'sys'), watts);
  onTestFinished(() => rapl.stop());
  return rapl;
}

const codes = (result: Result) => result.warnings.map(({ code }) => code);

/** Power of all devices together over the time line, whose points hold the mean since the one before. */
function meanWatts(result: Result): number {
  const lines = result.timeline!.filter(({ quantity }) => quantity === 'energy');
  expect(lines.map(({ device }) => device)).toEqual(['package-0', 'dram-0']);
  return lines.reduce((sum, { timesNs, values }) => {
    let [joules, seconds] = [0, 0];
    for (const [index, watts] of values.entries()) {
      if (index === 0 || watts === null || values[index - 1] === null) continue;
      const lasted = (timesNs[index]! - timesNs[index - 1]!) / 1e9;
      joules += watts * lasted;
      seconds += lasted;
    }
    return sum + joules / seconds;
  }, 0);
}

describe('a recorded run', () => {
  it('played later gives the energy of its machine: its watts × its time', async () => {
    const { root, watts } = fakeRapl(40);
    const sensors = [
      { sensor: 'rapl', root },
      { sensor: 'process' },
      { sensor: 'amd', root: folder },
    ] as const;
    const recorded = await bench({ sensors, recordSensors: session });
    expect(codes(recorded)).not.toContain('recording-cut-short');
    expect(recorded.environment.recording).toBeUndefined();

    const { header } = checkSession(session);
    expect(header).toMatchObject({
      usesGpu: false,
      machine: expect.stringContaining(recorded.hardware.cpu.brand),
    });
    expect(header.sensors.map(({ channels: _, reads: __, ...sensor }) => sensor)).toEqual(
      recorded.environment.sensors
        .filter(({ name }) => ['rapl', 'process', 'amd'].includes(name))
        .map(({ channels: _, reads: __, ...sensor }) => sensor),
    );
    const rapl = header.sensors[0]!;
    expect(rapl.channels).toMatchObject([
      { device: 'package-0', quantity: 'energy', unit: 'J', kind: 'counter' },
      { device: 'dram-0' },
    ]);
    for (const { counterPeriodNs } of rapl.channels) expect(counterPeriodNs).toBeGreaterThan(0);

    const { samples, close } = openSession(session);
    const count = new Map<number, number>();
    for (const { channel } of samples) count.set(channel, (count.get(channel) ?? 0) + 1);
    close();
    for (const { quantity, device, samples: read } of recorded.timeline!) {
      const channel = header.sensors
        .flatMap(({ channels }) => channels)
        .find((of) => of.quantity === quantity && of.device === device)!;
      expect(count.get(channel.id)).toBe(read);
    }

    const played = await bench({ sensors: `recorded:${session}`, repetitions: 1 });
    expect(played.environment.recording).toMatchObject({ file: 'session.jsonl', machine: header.machine });
    expect(codes(played)).toContain('recorded-sensors');
    expect(played.metrics.energy).toMatchObject({
      provenance: 'estimated',
      method: expect.stringMatching(/^RECORDED .*package-0 \+ dram-0 \(rapl counter\)/),
    });
    const periods = (result: Result) =>
      result.environment.sensors.find(({ name }) => name === 'rapl')!.channels as unknown;
    expect(periods(played)).toEqual(periods(recorded));
    // The fake's counters stand still while this thread is busy: exact power is tested below.
    expect(Math.abs(meanWatts(played) / (1.25 * watts) - 1)).toBeLessThan(0.2);
    for (const { runsInWindow, work } of played.requests.filter(isOk)) {
      expect(runsInWindow).toBeGreaterThan(1);
      expect(work.energy).toBeGreaterThan(0);
    }
    for (const { total, requests, idle, unattributed } of Object.values(played.conservation)) {
      expect(requests + idle + unattributed).toBe(total);
    }
  });

  it('of constant power gives just that power, whatever the machine that plays it is doing', async () => {
    const channel = (device: string) => ({ quantity: 'energy', device, unit: 'J', kind: 'counter' }) as const;
    const rapl = recordedSensor('rapl', [channel('package-0'), channel('dram-0')]);
    const samples = Array.from({ length: 6000 }, (_, index) => index * 2e7).flatMap((timeNs) =>
      [40, 10].map((watts, id) => ({ timeNs, channel: id, value: (watts * timeNs) / 1e9 })),
    );
    writeFileSync(session, sessionOf('made up', [rapl], samples));
    const played = await bench({ sensors: `recorded:${session}`, repetitions: 1 });
    expect(meanWatts(played)).toBeCloseTo(50, 3);
    const { 'energy/package-0': processor, 'energy/dram-0': memory } = played.conservation;
    expect(processor!.total / memory!.total).toBeCloseTo(4, 3);
  });

  it('keeps the gaps and the losses of its sensors', async () => {
    const rapl = fakeRapl(40);
    let done = 0;
    await bench({
      sensors: [{ sensor: 'rapl', root: rapl.root }, { sensor: 'process' }],
      recordSensors: session,
      onProgress: ({ phase }) => {
        if (phase === 'measuring' && done++ === 0) rapl.break();
      },
    });
    const { samples, close } = openSession(session);
    const values = [...samples].filter(({ channel }) => channel === 0).map(({ value }) => value);
    close();
    expect(values.length).toBeGreaterThan(5);
    expect(values.at(-1)).toBeNaN();
    const played = await bench({ sensors: `recorded:${session}`, repetitions: 8 });
    expect(played.run.complete).toBe(true);
    expect(played.requests.filter(isOk).at(-1)!.absent).toMatchObject({ energy: 'lost' });
  });

  it('holds nothing where the run was refused, and is removed', async () => {
    const refused = bench({ suite: 'no such suite', recordSensors: session });
    await expect(refused).rejects.toMatchObject({ exitCode: 2 });
    expect(existsSync(session)).toBe(false);
  });

  it.each([
    ['a file that is there', () => session, /is there already/],
    ['a folder that is not', () => join(folder, 'absent', 'session.jsonl'), /cannot be created/],
    ['a device', () => '/dev/null', /is there already/],
    ['the result’s own name', () => join(folder, 'result.json'), /where the run's result goes/],
    ['the journal’s name', () => journalPathOf(join(folder, 'result.json')), /where the run's result goes/],
  ])('is refused in %s, before anything is measured', async (_, path, message) => {
    writeFileSync(session, 'mine');
    const refused = bench({ recordSensors: path(), out: join(folder, 'result.json') });
    await expect(refused).rejects.toMatchObject({ exitCode: 2, message: expect.stringMatching(message) });
    expect(readFileSync(session, 'utf8')).toBe('mine');
    expect(existsSync(journalPathOf(join(folder, 'result.json')))).toBe(false);
  });

  it.each([{ sensors: 'none', energy: false }, { sensors: 'recorded:any.jsonl' }] as const)(
    'is refused with %o',
    async (options) => {
      await expect(bench({ recordSensors: session, ...options })).rejects.toMatchObject({
        code: 'bad-option',
      });
      expect(existsSync(session)).toBe(false);
    },
  );

  it('says that there was nothing to record', async () => {
    const sensors = [{ sensor: 'rapl', root: join(folder, 'nothing') }] as const;
    const result = await bench({ sensors, recordSensors: session });
    expect(result.run.complete).toBe(true);
    expect(codes(result).filter((code) => code === 'recording-cut-short')).toHaveLength(1);
    expect(existsSync(session)).toBe(false);
  });
});

const driver = fileURLToPath(new URL('testing/drive-bench.mjs', import.meta.url));

/** A run in a process of its own, stopped once so many of its requests are measured. */
async function stopped(
  options: Partial<BenchOptions>,
  signal: NodeJS.Signals,
  after = 2,
): Promise<ChildProcess> {
  const child = spawn(process.execPath, [
    driver,
    JSON.stringify({ ...settings, repetitions: 3, ...options }),
  ]);
  const ended = once(child, 'exit');
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      const done = [...chunk.toString().matchAll(/measuring (\d+)\//g)].map(([, count]) => Number(count));
      if (Math.max(0, ...done) >= after) resolve();
    });
    child.once('exit', () => resolve());
  });
  child.kill(signal);
  await ended;
  return child;
}

describe('a recorded run that was stopped', () => {
  it.each(['SIGINT', 'SIGKILL'] as const)('by %s left a session that can be played', async (signal) => {
    const { root } = fakeRapl(40);
    const out = join(folder, 'result.json');
    // Long enough a recording to be played beside a request of a busy process, slow to start.
    const options = { out, sensors: [{ sensor: 'rapl', root }], recordSensors: session } as const;
    await stopped({ ...options, repetitions: 20 }, signal, 24);
    // As if the kill had come in the middle of a write.
    truncateSync(session, readFileSync(session).length - 3);
    const played = await bench({ sensors: `recorded:${session}`, repetitions: 1 });
    expect(played.requests.filter(isOk)[0]!.work.energy).toBeGreaterThan(0);
  });
});

it('a run beside a recording that was stopped goes on with it from its beginning, and with no other', async () => {
  const { root } = fakeRapl(40);
  await bench({ sensors: [{ sensor: 'rapl', root }], recordSensors: session, repetitions: 12 });
  const out = join(folder, 'result.json');
  await stopped({ out, sensors: `recorded:${session}` }, 'SIGKILL');
  const { entries } = readJournal(journalPathOf(out));
  const finished = entries.flatMap((entry) => (entry.kind === 'request' ? [entry.row.id] : []));
  expect(finished.length).toBeLessThan(6);

  const resumed = () => bench({ suite: undefined, energy: undefined, out: undefined, resume: out });
  const text = readFileSync(session, 'utf8');
  writeFileSync(session, text.replace('"recordedAt":"20', '"recordedAt":"21'));
  await expect(resumed()).rejects.toMatchObject({
    code: 'resume-differs',
    message: expect.stringContaining('session.jsonl'),
  });

  writeFileSync(session, text);
  const result = await resumed();
  expect(result.run.complete).toBe(true);
  expect(codes(result)).toEqual(expect.arrayContaining(['recorded-sensors', 'recording-restarted']));
  const first = result.requests.filter(isOk).find(({ id }) => !finished.includes(id))!;
  expect(first.work.energy).toBeGreaterThan(0);
  // What the counter showed at the end of one playing and at the beginning of the next is no energy.
  expect(Math.abs(meanWatts(result) / 50 - 1)).toBeLessThan(0.2);
  for (const { total, requests, idle, unattributed } of Object.values(result.conservation)) {
    expect(Math.min(requests, idle, unattributed)).toBeGreaterThanOrEqual(0);
    expect(requests + idle + unattributed).toBe(total);
  }
});

it('sharing is not tested on the counters of another machine', async () => {
  mkdirSync(join(folder, 'x'));
  const options = { sensors: `recorded:${session}`, validateAttribution: true, energy: false } as const;
  await expect(bench(options)).rejects.toMatchObject({ code: 'bad-option', exitCode: 2 });
});
