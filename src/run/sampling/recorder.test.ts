import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, it, vi } from 'vitest';
import { recordedSensor } from '../../sensors/session.test-support.js';
import { checkSession } from '../../sensors/session-file.js';
import { describeMachine, SensorRecorder } from './recorder.js';

const disk = vi.hoisted(() => ({ room: Number.POSITIVE_INFINITY }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const writeSync = (file: number, data: Buffer, from: number, length: number, at: number) => {
    const fits = Math.min(length, disk.room);
    if (fits === 0) throw new Error('ENOSPC: no space left on device, write');
    disk.room -= fits;
    return fs.writeSync(file, data, from, fits, at);
  };
  return { ...fs, writeSync };
});

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-recorder-'));
afterAll(() => rmSync(directory, { recursive: true }));
const path = join(directory, 'session.jsonl');
beforeEach(() => {
  disk.room = Number.POSITIVE_INFINITY;
  rmSync(path, { force: true });
});

const header = {
  ...{ recordedAt: '2026-11-24T10:00:00.000Z', machine: 'test', usesGpu: false },
  sensors: [
    recordedSensor('rapl', [{ quantity: 'energy', device: 'package-0', unit: 'J', kind: 'counter' }]),
  ],
};
const sample = (timeNs: number) => ({ timeNs, channel: 0, value: timeNs / 7 });

it('writes what was read before it knew of the machine, and what is read after', () => {
  const recorder = SensorRecorder.create(path, []);
  recorder.add([sample(1)]);
  recorder.begin(header);
  recorder.keep();
  recorder.add([]);
  recorder.add([sample(2), sample(3)]);
  // Before it is closed, as if the process were killed now.
  expect(checkSession(path).header).toMatchObject(header);
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(5);
  expect(recorder.takeWarnings()).toEqual([]);
  expect(recorder.close()).toBe(true);
});

it('ends in whole lines where the disk is full, and says so once', () => {
  const recorder = SensorRecorder.create(path, []);
  recorder.begin(header);
  recorder.keep();
  recorder.add([sample(1)]);
  const whole = readFileSync(path, 'utf8');
  disk.room = 5;
  recorder.add([sample(2)]);
  disk.room = Number.POSITIVE_INFINITY;
  recorder.add([sample(3)]); // After a gap that nothing marks, nothing more is written.
  expect(recorder.takeWarnings()).toMatchObject([
    { code: 'recording-cut-short', message: expect.stringMatching(/ENOSPC.* holds what was read before/) },
  ]);
  expect(recorder.takeWarnings()).toEqual([]);
  expect(recorder.close()).toBe(true);
  expect(readFileSync(path, 'utf8')).toBe(whole);
});

it('leaves no file where nothing was measured', () => {
  const recorder = SensorRecorder.create(path, []);
  recorder.begin(header);
  recorder.add([sample(1)]);
  expect(recorder.close()).toBe(false);
  expect(existsSync(path)).toBe(false);
});

it('names processor, GPUs with their drivers, and system', () => {
  const hardware = {
    ...{ id: 'x', memoryBytes: 1, ceilings: null },
    cpu: { brand: 'EPYC 9B14', physicalCores: 1, logicalCores: 2 },
    gpus: [{ model: 'NVIDIA H100', driver: '550.54' }, { model: 'a card' }],
  };
  expect(describeMachine(hardware, 'Debian 12')).toBe(
    'EPYC 9B14, NVIDIA H100 (driver 550.54), a card, Debian 12',
  );
});
