import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { isOk, type Result } from '../core/result.js';
import { journalPathOf } from '../journal/append.js';
import { recordedSensor, sessionOf } from '../sensors/session.test-support.js';
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

  it('of constant power gives just that power, whatever the machine that plays it is doing', async () => {
    const channel = (device: string) => ({ quantity: 'energy', device, unit: 'J', kind: 'counter' }) as const;
    const rapl = recordedSensor('rapl', [channel('package-0'), channel('dram-0')]);
    const samples = Array.from({ length: 6000 }, (_, index) => index * 2e7).flatMap((timeNs) =>
      [40, 10].map((watts, id) => ({ timeNs, channel: id, value: (watts * timeNs) / 1e9 })),
    );
    writeFileSync(session, sessionOf('made up', [rapl], samples));
    const played = await runs.bench({ sensors: `recorded:${session}`, repetitions: 1 });
    expect(meanWatts(played)).toBeCloseTo(50, 3);
    const { 'energy/package-0': processor, 'energy/dram-0': memory } = played.conservation;
    expect(processor!.total / memory!.total).toBeCloseTo(4, 3);
  });

  it('holds nothing where the run was refused, and is removed', async () => {
    const refused = runs.bench({ suite: 'no such suite', recordSensors: session });
    await expect(refused).rejects.toMatchObject({ exitCode: 2 });
    expect(existsSync(session)).toBe(false);
  });

  it.each([
    ['a file that is there', () => session, /is there already/],
    ['a folder that is not', () => join(runs.folder, 'absent', 'session.jsonl'), /cannot be created/],
    ['a device', () => '/dev/null', /is there already/],
    ['the result’s own name', () => join(runs.folder, 'result.json'), /where the run's result goes/],
    [
      'the journal’s name',
      () => journalPathOf(join(runs.folder, 'result.json')),
      /where the run's result goes/,
    ],
  ])('is refused in %s, before anything is measured', async (_, path, message) => {
    writeFileSync(session, 'mine');
    const refused = runs.bench({ recordSensors: path(), out: join(runs.folder, 'result.json') });
    await expect(refused).rejects.toMatchObject({ exitCode: 2, message: expect.stringMatching(message) });
    expect(readFileSync(session, 'utf8')).toBe('mine');
    expect(existsSync(journalPathOf(join(runs.folder, 'result.json')))).toBe(false);
  });

  it.each([{ sensors: 'none', energy: false }, { sensors: 'recorded:any.jsonl' }] as const)(
    'is refused with %o',
    async (options) => {
      await expect(runs.bench({ recordSensors: session, ...options })).rejects.toMatchObject({
        code: 'bad-option',
      });
      expect(existsSync(session)).toBe(false);
    },
  );

  it('says that there was nothing to record', async () => {
    const sensors = [{ sensor: 'rapl', root: join(runs.folder, 'nothing') }] as const;
    const result = await runs.bench({ sensors, recordSensors: session });
    expect(result.run.complete).toBe(true);
    expect(codesOf(result).filter((code) => code === 'recording-cut-short')).toHaveLength(1);
    expect(existsSync(session)).toBe(false);
  });
});

it('sharing is not tested on the counters of another machine', async () => {
  mkdirSync(join(runs.folder, 'x'));
  const options = { sensors: `recorded:${session}`, validateAttribution: true, energy: false } as const;
  await expect(runs.bench(options)).rejects.toMatchObject({ code: 'bad-option', exitCode: 2 });
});
