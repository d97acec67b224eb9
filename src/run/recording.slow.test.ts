import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { isOk, type Result } from '../core/result.js';
import { journalPathOf } from '../journal/append.js';
import { readJournal } from '../journal/read.js';
import { checkSession, openSession } from '../sensors/session-file.js';
import { codesOf, meanWatts, ShortRuns } from './testing/short-runs.js';

const runs = new ShortRuns({ completionTokens: [64, 96] }, { energy: true });
let session = '';
beforeEach(() => {
  session = join(runs.folder, 'session.jsonl');
});

describe('a recorded run', () => {
  it('played later gives the energy of its machine: its watts × its time', async () => {
    const { root, watts } = runs.fakeRapl();
    const sensors = [
      { sensor: 'rapl', root },
      { sensor: 'process' },
      { sensor: 'amd', root: runs.folder },
    ] as const;
    const recorded = await runs.bench({ sensors, recordSensors: session });
    expect(codesOf(recorded)).not.toContain('recording-cut-short');
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

    const played = await runs.bench({ sensors: `recorded:${session}`, repetitions: 1 });
    expect(played.environment.recording).toMatchObject({ file: 'session.jsonl', machine: header.machine });
    expect(codesOf(played)).toContain('recorded-sensors');
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

  it('keeps the gaps and the losses of its sensors', async () => {
    const rapl = runs.fakeRapl();
    let done = 0;
    await runs.bench({
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
    const played = await runs.bench({ sensors: `recorded:${session}`, repetitions: 8 });
    expect(played.run.complete).toBe(true);
    expect(played.requests.filter(isOk).at(-1)!.absent).toMatchObject({ energy: 'lost' });
  });
});

describe('a recorded run that was stopped', () => {
  it.each(['SIGINT', 'SIGKILL'] as const)('by %s left a session that can be played', async (signal) => {
    const { root } = runs.fakeRapl();
    const out = join(runs.folder, 'result.json');
    // Long enough a recording to be played beside a request of a busy process, slow to start.
    const options = { out, sensors: [{ sensor: 'rapl', root }], recordSensors: session } as const;
    await runs.stopped({ ...options, repetitions: 20 }, signal, 24);
    // As if the kill had come in the middle of a write.
    truncateSync(session, readFileSync(session).length - 3);
    const played = await runs.bench({ sensors: `recorded:${session}`, repetitions: 1 });
    expect(played.requests.filter(isOk)[0]!.work.energy).toBeGreaterThan(0);
  });
});

it('a run beside a recording that was stopped goes on with it from its beginning, and with no other', async () => {
  const { root } = runs.fakeRapl();
  await runs.bench({ sensors: [{ sensor: 'rapl', root }], recordSensors: session, repetitions: 12 });
  const out = join(runs.folder, 'result.json');
  await runs.stopped({ out, sensors: `recorded:${session}`, repetitions: 3 }, 'SIGKILL', 2);
  const { entries } = readJournal(journalPathOf(out));
  const finished = [...entries].flatMap((entry) => (entry.kind === 'request' ? [entry.row.id] : []));
  expect(finished.length).toBeLessThan(6);

  const resumed = () => runs.bench({ suite: undefined, energy: undefined, out: undefined, resume: out });
  const text = readFileSync(session, 'utf8');
  writeFileSync(session, text.replace('"recordedAt":"20', '"recordedAt":"21'));
  await expect(resumed()).rejects.toMatchObject({
    code: 'resume-differs',
    message: expect.stringContaining('session.jsonl'),
  });

  writeFileSync(session, text);
  const result = await resumed();
  expect(result.run.complete).toBe(true);
  expect(codesOf(result)).toEqual(expect.arrayContaining(['recorded-sensors', 'recording-restarted']));
  const first = result.requests.filter(isOk).find(({ id }) => !finished.includes(id))!;
  expect(first.work.energy).toBeGreaterThan(0);
  // What the counter showed at the end of one playing and at the beginning of the next is no energy.
  expect(Math.abs(meanWatts(result) / 50 - 1)).toBeLessThan(0.2);
  for (const { total, requests, idle, unattributed } of Object.values(result.conservation)) {
    expect(Math.min(requests, idle, unattributed)).toBeGreaterThanOrEqual(0);
    expect(requests + idle + unattributed).toBe(total);
  }
});
