import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { fakeClock, openOrFail, record } from '../sensor-probe.test-support.js';
import { amdSensor } from './amd-hwmon.js';

const parent = mkdtempSync(join(tmpdir(), 'tokenwork-amd-'));
afterAll(() => rmSync(parent, { recursive: true }));
let root = '';
let trees = 0;
beforeEach(() => {
  root = join(parent, String(trees++));
  mkdirSync(root);
});

function chip(index: number, files: Record<string, string | number>): void {
  const directory = join(root, `class/hwmon/hwmon${index}`);
  mkdirSync(join(directory, 'device'), { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), `${content}\n`);
}

const radeon = {
  name: 'amdgpu',
  power1_average: 42_000_000,
  'device/gpu_busy_percent': 97,
  'device/mem_info_vram_used': 8_589_934_592,
  freq1_input: 2_482_000_000,
  freq2_input: 1_000_000_000,
  temp1_input: 61_000,
};

describe('amdSensor', () => {
  it('reads what the driver shows in base units, and names what it does not', async () => {
    chip(0, { name: 'nvme', temp1_input: 40_000 });
    chip(3, radeon);
    const sensor = await openOrFail(amdSensor(root));
    expect(record(sensor).latest).toEqual({
      'gpu-amd-0 power': 42,
      'gpu-amd-0 utilisation': 0.97,
      'gpu-amd-0 memoryUsed': 8 * 2 ** 30,
      'gpu-amd-0 smClock': 2.482e9,
      'gpu-amd-0 memoryClock': 1e9,
      'gpu-amd-0 temperature': 61,
    });
    expect(sensor.missing).toMatchObject([{ quantity: 'energy', reason: 'unsupported' }]);
    expect(sensor.channels[0]).toMatchObject({ quantity: 'power', averagedOverNs: 1e8 });
    sensor.close();
  });

  it('prefers the power of the instant, and counts energy where there is a counter', async () => {
    chip(1, { ...radeon, power1_input: 50_000_000, energy1_input: 7_000_000 });
    const sensor = await openOrFail(amdSensor(root));
    record(sensor);
    chip(1, { energy1_input: 19_000_000 });
    expect(record(sensor).latest).toMatchObject({ 'gpu-amd-0 energy': 12, 'gpu-amd-0 power': 50 });
    expect(sensor.channels.find(({ quantity }) => quantity === 'power')).not.toHaveProperty('averagedOverNs');
    sensor.close();
  });

  it('keeps the other GPU’s power where one has none', async () => {
    const { power1_average: _, ...silent } = radeon;
    chip(2, silent);
    chip(10, radeon);
    const sensor = await openOrFail(amdSensor(root));
    expect(record(sensor).latest).toHaveProperty('gpu-amd-1 power', 42);
    expect(record(sensor).latest).not.toHaveProperty('gpu-amd-0 power');
    sensor.close();
  });

  it('shows no figure for garbage, and ends the file that is no number', async () => {
    chip(0, radeon);
    const sensor = await openOrFail(amdSensor(root));
    chip(0, { 'device/gpu_busy_percent': 65535, temp1_input: 'ERR' });
    const { latest, lost } = record(sensor);
    expect(latest['gpu-amd-0 utilisation']).toBeNaN();
    expect(lost).toEqual({ 'gpu-amd-0 temperature': expect.stringContaining('ERR') });
    sensor.close();
  });

  it('is unavailable without an AMD GPU', async () => {
    chip(0, { name: 'coretemp' });
    expect(await amdSensor(root).open(fakeClock())).toMatchObject({
      reason: 'unsupported',
      hint: expect.stringContaining('amdgpu'),
    });
  });
});
