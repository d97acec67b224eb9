import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { recordedSensors } from './recorded.js';
import { fakeClock, openOrFail, record } from './sensor-probe.test-support.js';
import { recordedSensor, sessionOf } from './session.test-support.js';

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-recorded-'));
afterAll(() => rmSync(directory, { recursive: true }));

const gpu = recordedSensor('nvml', [
  { quantity: 'energy', device: 'gpu-0', unit: 'J', kind: 'counter' },
  { quantity: 'power', device: 'gpu-0', unit: 'W', kind: 'gauge', averagedOverNs: 1e9 },
]);
const cpu = recordedSensor(
  'rapl',
  [{ quantity: 'energy', device: 'package-0', unit: 'J', kind: 'counter' }],
  2,
);
const absent = {
  ...recordedSensor('amd', []),
  ...{ available: false, reason: 'unsupported' as const, hint: 'load amdgpu', periodNs: null },
};
const session = sessionOf(
  'test',
  [gpu, cpu, absent],
  [
    { timeNs: 100, channel: 0, value: 1 },
    { timeNs: 150, channel: 1, value: 300 },
    { timeNs: 150, channel: 2, value: 10 },
    { timeNs: 200, channel: 0, value: Number.NaN },
    { timeNs: 300, channel: 0, value: 7 },
    { timeNs: 290, channel: 2, value: 4 },
  ],
);

function played(text: string) {
  const path = join(directory, 'session.jsonl');
  writeFileSync(path, text);
  return recordedSensors(path);
}

describe('recordedSensors', () => {
  it('play the samples of every sensor at their distances from the moment the first is opened', async () => {
    const clock = fakeClock(5000);
    const [nvml, rapl] = played(session);
    const gpus = await openOrFail(nvml!, clock);
    clock.advance(20);
    const packages = await openOrFail(rapl!, clock);
    expect(record(gpus)).toMatchObject({ latest: { 'gpu-0 energy': 1 }, timesNs: [5000] });
    clock.advance(80);
    expect(record(gpus)).toMatchObject({
      latest: { 'gpu-0 power': 300, 'gpu-0 energy': Number.NaN },
      timesNs: [5050, 5100],
    });
    expect(record(packages)).toMatchObject({ latest: { 'package-0 energy': 10 }, timesNs: [5050] });
    clock.advance(1000);
    expect(record(gpus).latest).toEqual({ 'gpu-0 energy': 7 });
    expect(() => record(gpus)).toThrow('is over');
  });

  it('mark a gap where a counter falls, as a sensor of the machine would', async () => {
    const clock = fakeClock();
    const rapl = await openOrFail(played(session)[1]!, clock);
    clock.advance(1000);
    const values: number[] = [];
    rapl.read({ put: (_, value) => values.push(value), lose: () => {} });
    expect(values).toEqual([10, Number.NaN, 4]);
  });

  it('have the names, periods and lacks of the machine that was recorded', async () => {
    const sensors = played(session);
    expect(sensors.map(({ name }) => name)).toEqual(['nvml', 'rapl', 'amd']);
    expect(sensors[0]!.reads).toContain('recorded on another machine');
    expect(await openOrFail(sensors[0]!, fakeClock())).toMatchObject({
      periodNs: gpu.periodNs,
      ticks: [
        { counterPeriodNs: 1e7, periodResolved: true },
        { counterPeriodNs: null, periodResolved: true },
      ],
    });
    expect(await sensors[2]!.open(fakeClock())).toMatchObject({
      reason: 'unsupported',
      hint: expect.stringMatching(/recorded: load amdgpu/),
    });
  });

  it.each([
    ['no header', '[1,0,5]\n'],
    ['no file', null],
  ])('are one that is unavailable with %s', async (_, text) => {
    const sensors = text === null ? recordedSensors(join(directory, 'absent')) : played(text);
    expect(sensors).toHaveLength(1);
    expect(await sensors[0]!.open(fakeClock())).toMatchObject({ reason: 'unsupported' });
  });
});
