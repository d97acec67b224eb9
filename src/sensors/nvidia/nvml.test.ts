import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isAbsence } from '../sensor.js';
import { fakeClock, openOrFail, record } from '../sensor-probe.test-support.js';
import { buildFakeNvml, compiles, type FakeNvml } from './fake-nvml.test-support.js';
import { nvmlSensor } from './nvml.js';
import { nvmlCode, openNvml } from './nvml-library.js';
import { knownNvmlTrouble, nvmlTrouble } from './nvml-probe.js';

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-nvml-'));
afterAll(() => rmSync(directory, { recursive: true }));
const current = join(directory, 'libnvidia-ml.so.1');
const old = join(directory, 'libnvidia-ml-old.so.1');
const [us, others] = [4711, 90000];

describe('where there is no NVML', () => {
  it('says what brings it', async () => {
    const answer = await nvmlSensor('load', join(directory, 'absent.so')).open(fakeClock());
    expect(answer).toMatchObject({
      reason: 'unsupported',
      hint: expect.stringContaining('NVIDIA driver'),
    });
  });
});

describe.skipIf(!compiles)('where the driver is wedged (needs a C compiler)', () => {
  it('is left out by name after its time, and not asked again', async () => {
    const path = join(directory, 'libnvidia-ml-wedged.so.1');
    buildFakeNvml(path, '-DWEDGED');
    expect(await nvmlTrouble(path, 2000)).toMatchObject({
      reason: 'unsupported',
      hint: expect.stringContaining('no answer within 2 s'),
    });
    const sensors = [nvmlSensor('load', path), nvmlSensor('state', path)];
    for (const sensor of sensors)
      expect(await sensor.open(fakeClock())).toMatchObject({ hint: expect.stringContaining('within 2 s') });
    expect(knownNvmlTrouble(path)).toMatchObject({ hint: expect.stringContaining('within 2 s') });
  });
});

describe.skipIf(!compiles)('against a stand-in for the driver’s library (needs a C compiler)', () => {
  let gpu: FakeNvml;

  beforeAll(() => {
    gpu = buildFakeNvml(current);
  });
  beforeEach(() => gpu.reset(1, 0));

  it('counts the energy of several GPUs in joules since the start', async () => {
    gpu.reset(2, 0);
    gpu.energy(0, 5_000_000);
    gpu.energy(1, 77);
    const clock = fakeClock();
    const sensor = await openOrFail(nvmlSensor('load', current), clock);
    expect(record(sensor).latest).toMatchObject({ 'gpu-0 energy': 0, 'gpu-1 energy': 0, 'gpu-0 power': 100 });
    clock.advance(1e9);
    gpu.energy(0, 5_250_000);
    gpu.energy(1, 100_077);
    expect(record(sensor).latest).toMatchObject({ 'gpu-0 energy': 250, 'gpu-1 energy': 100 });
    sensor.close();
    expect(gpu.open()).toBe(0);
  });

  it('names the GPU that has no power reading and reads the other', async () => {
    gpu.reset(2, 0);
    gpu.power(0, nvmlCode.notSupported, 0);
    const sensor = await openOrFail(nvmlSensor('load', current));
    expect(sensor.missing).toMatchObject([
      {
        device: 'gpu-0',
        quantity: 'energy',
        reason: 'unsupported',
        hint: expect.stringContaining('NVIDIA Fake 0'),
      },
      { device: 'gpu-0', quantity: 'power', reason: 'unsupported' },
    ]);
    expect(Object.keys(record(sensor).latest)).toEqual([
      'gpu-0 utilisation',
      'gpu-1 energy',
      'gpu-1 power',
      'gpu-1 utilisation',
    ]);
    sensor.close();
  });

  it('says that a figure needs permission', async () => {
    gpu.power(0, nvmlCode.noPermission, 0);
    const sensor = await openOrFail(nvmlSensor('load', current));
    expect(sensor.missing[0]).toMatchObject({ quantity: 'energy', reason: 'permission' });
    sensor.close();
  });

  it('takes nothing that a GPU split by MIG counts of all instances for one’s own, and says so', async () => {
    gpu.reset(2, 0);
    gpu.load(0, 0, 1);
    const sensor = await openOrFail(nvmlSensor('load', current));
    const hint = expect.stringMatching(/split by MIG.*nvidia-smi -i 0 -mig 0/);
    expect(sensor.missing).toEqual(
      ['energy', 'power', 'utilisation'].map((quantity) => ({
        ...{ device: 'gpu-0', quantity, reason: 'unsupported', hint, mig: true },
      })),
    );
    expect(Object.keys(record(sensor).latest)).toEqual(['gpu-1 energy', 'gpu-1 power', 'gpu-1 utilisation']);
    sensor.close();
  });

  it('opens with nothing to read where the only GPU is split, so that nvidia-smi is not asked instead', async () => {
    gpu.load(0, 0, 1);
    const sensor = await openOrFail(nvmlSensor('load', current));
    expect(sensor.channels).toEqual([]);
    expect(sensor.missing).toHaveLength(3);
    sensor.close();
    const state = await openOrFail(nvmlSensor('state', current));
    expect(state.channels.map(({ quantity }) => quantity)).toContain('processMemory');
    state.close();
  });

  it('ends a GPU that falls off the bus while the other goes on', async () => {
    gpu.reset(2, 0);
    const sensor = await openOrFail(nvmlSensor('load', current));
    record(sensor);
    gpu.lost(0, nvmlCode.gpuIsLost);
    const after = record(sensor);
    expect(after.lost).toEqual({
      'gpu-0 energy': expect.stringContaining('GPU is lost'),
      'gpu-0 power': expect.stringContaining('GPU is lost'),
      'gpu-0 utilisation': expect.stringContaining('GPU is lost'),
    });
    expect(after.latest).toMatchObject({ 'gpu-1 power': 100 });
    expect(record(sensor).lost).toEqual({});
    sensor.close();
  });

  it('leaves a gap where the driver answers garbage or a counter jumps back, and counts on', async () => {
    const clock = fakeClock();
    gpu.energy(0, 900_000);
    const sensor = await openOrFail(nvmlSensor('load', current), clock);
    record(sensor);
    clock.advance(1e8);
    gpu.energy(0, 910_000);
    expect(record(sensor).latest['gpu-0 energy']).toBe(10);
    clock.advance(1e8);
    gpu.energy(0, 2 ** 60);
    gpu.power(0, 0, 4_000_000_000);
    gpu.load(0, 4711, 0);
    expect(record(sensor).latest).toEqual({
      'gpu-0 energy': Number.NaN,
      'gpu-0 power': Number.NaN,
      'gpu-0 utilisation': Number.NaN,
    });
    clock.advance(1e8);
    gpu.energy(0, 500);
    expect(record(sensor).latest['gpu-0 energy']).toBeNaN();
    clock.advance(1e8);
    gpu.energy(0, 20_500);
    expect(record(sensor).latest['gpu-0 energy']).toBe(30);
    sensor.close();
  });

  it('gives up a channel only after it failed again and again', async () => {
    const sensor = await openOrFail(nvmlSensor('load', current));
    gpu.power(0, 999, 0);
    for (let failure = 1; failure < 10; failure++) expect(record(sensor).lost).toEqual({});
    expect(Object.keys(record(sensor).lost)).toEqual(['gpu-0 energy', 'gpu-0 power']);
    sensor.close();
  });

  it('reads the memory in all and of this process, clocks, temperature and throttling', async () => {
    gpu.memory(0, 2 ** 34);
    gpu.processes(0, 40, us - 39, 2 ** 30);
    const sensor = await openOrFail(nvmlSensor('state', current, us));
    expect(record(sensor).latest).toEqual({
      'gpu-0 memoryUsed': 2 ** 34,
      'gpu-0 processMemory': 2 ** 30,
      'gpu-0 processUtilisation': 0,
      'gpu-0 smClock': 1.98e9,
      'gpu-0 memoryClock': 2.619e9,
      'gpu-0 temperature': 41,
      'gpu-0 throttleReasons': 4,
    });
    sensor.close();
  });

  it.each([
    ['busy beside another', 2, 30, 0.3],
    ['idle beside another, of which alone there is a sample', 1, 30, 0],
    ['idle as all others', 0, 30, 0],
    ['of which the driver answers garbage', 2, 4_000_000, Number.NaN],
  ])('tells this process’s utilisation from its neighbours’: %s', async (_, count, percent, share) => {
    gpu.processes(0, 1, us, 2 ** 30);
    gpu.users(0, count, us, percent, others, 60);
    const sensor = await openOrFail(nvmlSensor('state', current, us));
    expect(record(sensor).latest['gpu-0 processUtilisation']).toBe(share);
    sensor.close();
  });

  it('lists processes once a reading, for the two figures that go by it, and anew for the next', async () => {
    gpu.processes(0, 1, us, 2 ** 30);
    gpu.users(0, 2, us, 30, others, 60);
    const sensor = await openOrFail(nvmlSensor('state', current, us));
    const before = gpu.lists();
    record(sensor);
    expect(gpu.lists() - before).toBe(1);
    gpu.processes(0, 1, others, 2 ** 30);
    expect(record(sensor).latest).toMatchObject({
      'gpu-0 processMemory': Number.NaN,
      'gpu-0 processUtilisation': Number.NaN,
    });
    expect(gpu.lists() - before).toBe(2);
    sensor.close();
  });

  it('has no figure for the utilisation of a process that a container hides', async () => {
    gpu.processes(0, 1, others, 2 ** 30);
    gpu.users(0, 1, others, 30, others, 60);
    const sensor = await openOrFail(nvmlSensor('state', current, us));
    expect(record(sensor).latest['gpu-0 processUtilisation']).toBeNaN();
    sensor.close();
  });

  it.each([
    ['a container hides this process’s id', () => gpu.processes(0, 2, others, 2 ** 30)],
    ['no process is listed', () => gpu.processes(0, 0, 0, 0)],
    ['the driver does not tell bytes, as on Windows', () => gpu.processes(0, 1, us, -1)],
  ])('has no figure for this process’s memory where %s', async (_, arrange) => {
    arrange();
    const sensor = await openOrFail(nvmlSensor('state', current, us));
    expect(record(sensor).latest['gpu-0 processMemory']).toBeNaN();
    sensor.close();
  });

  it.each([
    [nvmlCode.driverNotLoaded, 'unsupported', 'sudo modprobe nvidia'],
    [nvmlCode.versionMismatch, 'unsupported', 'sudo reboot'],
    [nvmlCode.noPermission, 'permission', 'ls -l /dev/nvidia*'],
  ])('explains a start that fails with code %i', async (code, reason, command) => {
    gpu.reset(1, code);
    const answer = await nvmlSensor('load', current).open(fakeClock());
    expect(answer).toMatchObject({ reason, hint: expect.stringContaining(command) });
  });

  it('is unavailable on a machine whose driver sees no GPU', async () => {
    gpu.reset(0, 0);
    const answer = await nvmlSensor('load', current).open(fakeClock());
    expect(isAbsence(answer) && answer.hint).toContain('sees no GPU');
    expect(gpu.open()).toBe(0);
  });

  it('reads the GPUs it can where one was lost before', async () => {
    gpu.reset(2, 0);
    gpu.lost(0, nvmlCode.gpuIsLost);
    const nvml = openNvml(current);
    expect(nvml.driverVersion).toBe('550.54.15');
    expect(nvml.gpus.map(({ uuid }) => uuid)).toEqual(['GPU-1']);
    nvml.close();
    const sensor = await openOrFail(nvmlSensor('load', current));
    expect(sensor.missing).toMatchObject([{ device: 'gpu-0', hint: expect.stringContaining('gpu-reset') }]);
    expect(record(sensor).latest).toHaveProperty('gpu-1 energy');
    sensor.close();
  });

  it('misses only the newer figures under an old driver', async () => {
    buildFakeNvml(old, '-DOLD_DRIVER').reset(1, 0);
    const load = await openOrFail(nvmlSensor('load', old));
    expect(load.missing).toMatchObject([{ quantity: 'energy', reason: 'unsupported' }]);
    expect(record(load).latest['gpu-0 power']).toBe(100);
    load.close();
    const state = await openOrFail(nvmlSensor('state', old));
    expect(state.missing).toMatchObject([{ quantity: 'processMemory' }, { quantity: 'processUtilisation' }]);
    state.close();
  });
});
