import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { journalPathOf } from '../journal/append.js';
import { recordedSensor, sessionOf } from '../sensors/session.test-support.js';
import { codesOf, meanWatts, ShortRuns } from './testing/short-runs.js';

const runs = new ShortRuns({ completionTokens: [64, 96] }, { energy: true });
let session = '';
beforeEach(() => {
  session = join(runs.folder, 'session.jsonl');
});

describe('a recorded run', () => {
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
