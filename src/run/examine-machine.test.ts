import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { Inventory } from '../sensors/inventory.js';
import { coarseness, examineMachine } from './examine-machine.js';

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-doctor-'));
afterAll(() => rmSync(directory, { recursive: true }));

const inventory: Inventory = {
  hardware: {
    id: 'made-up-4c-8g',
    cpu: { brand: 'Made Up', physicalCores: 2, logicalCores: 4 },
    memoryBytes: 8 * 2 ** 30,
    gpus: [],
    ceilings: null,
  },
  os: 'Made-up OS 1',
  virtualization: { container: false, virtualMachine: null },
  usableCores: 3,
  warnings: [],
};
const briefly = { inventory, forNs: 1e8 };

function raplTree(name: string): string {
  const root = join(directory, name);
  const zone = join(root, 'class/powercap/intel-rapl:0');
  mkdirSync(zone, { recursive: true });
  writeFileSync(join(zone, 'name'), 'package-0\n');
  writeFileSync(join(zone, 'max_energy_range_uj'), '262143328850\n');
  writeFileSync(join(zone, 'energy_uj'), '5000000\n');
  return root;
}

it('runs what a tree of the machine has, and gives the reason for the rest', async () => {
  const steps: string[] = [];
  const found = await examineMachine({
    ...briefly,
    sensors: [
      { sensor: 'rapl', root: raplTree('full') },
      { sensor: 'amd', root: join(directory, 'empty') },
    ],
    onProgress: (message) => steps.push(message),
  });
  expect(found).toMatchObject({ hardware: inventory.hardware, usableCores: 3, failures: [] });
  const [rapl, amd] = found.inspection!.sensors;
  expect(rapl).toMatchObject({ available: true, channels: [{ device: 'package-0', quantity: 'energy' }] });
  expect(amd).toMatchObject({ available: false, reason: 'unsupported', periodNs: null });
  const meters = new Map(found.meters.map((meter) => [meter.name, meter]));
  expect(meters.get('energy')).toMatchObject({
    available: true,
    method: expect.stringMatching(/^package-0 \(rapl\); within 1% from windows of \d+ ms/),
  });
  expect(meters.get('gpu-time')).toEqual({
    name: 'gpu-time',
    available: false,
    method: null,
    hint: amd!.hint,
  });
  expect(found.inspection!.sampler.samplesAtFullRate).toBeGreaterThan(0);
  expect(steps).toHaveLength(3);
});

it.skipIf(process.getuid?.() === 0 || process.platform === 'win32')(
  'names the command that opens a counter it may not read',
  async () => {
    const root = raplTree('closed');
    chmodSync(join(root, 'class/powercap/intel-rapl:0/energy_uj'), 0);
    const { inspection } = await examineMachine({ ...briefly, sensors: [{ sensor: 'rapl', root }] });
    expect(inspection!.sensors[0]).toMatchObject({
      reason: 'permission',
      hint: expect.stringContaining('sudo chmod a+r'),
    });
  },
);

it('loads the back ends of the installed runtime, and opens GPUs or says what is missing', async () => {
  const { backEnds, libraries } = await examineMachine({ ...briefly, sensors: [] });
  const ofOnnx = backEnds.filter(({ name }) => !name.startsWith('llama.cpp'));
  const onCpu = ofOnnx.filter(({ device }) => device === 'cpu');
  expect(onCpu.map(({ available }) => available)).toEqual([true, true]);
  expect(new Set(onCpu.map(({ version }) => version)).size).toBe(1);
  const onGpu = ofOnnx.filter(({ device }) => device === 'gpu');
  expect(onGpu.map(({ name }) => name)).toEqual(['WebGPU', 'CUDA']);
  for (const { available, hint, adapter } of onGpu) {
    if (!available) expect(hint).toMatch(/does not open|no (WebGPU|CUDA) for/);
    else if (adapter?.kind === 'software') expect(hint).toContain('a CPU that acts as a GPU');
    else expect(hint).toBeNull();
  }
  expect(libraries[0]!.file).toContain('onnxruntime');
  if (process.platform !== 'linux' || process.arch !== 'x64') return;
  const llama = backEnds.filter(({ name }) => name.startsWith('llama.cpp'));
  expect(llama.map(({ name }) => name)).toEqual(['llama.cpp', 'llama.cpp, Vulkan', 'llama.cpp, CUDA']);
  expect(llama[0]).toMatchObject({ available: true, version: '3.22.1', hint: null });
  expect(libraries.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['llama.cpp', 'CUDA 13 for llama.cpp', 'CUDA 12 for llama.cpp']),
  );
  for (const { available, file, hint } of llama.slice(1)) {
    if (!available) expect(hint).toMatch(file === null ? /setup:gpu -- --device/ : /missing|no GPU|driver/);
  }
});

it('finds the sensor that the sampler cannot be started with, and runs the others', async () => {
  const sensors = [{ sensor: 'unheard of' } as never, { sensor: 'rapl' as const, root: raplTree('beside') }];
  const { failures, inspection } = await examineMachine({ ...briefly, sensors });
  expect(failures).toMatchObject([
    { sensor: 'unheard of', message: expect.stringContaining('could not be started') },
  ]);
  expect(inspection!.sensors).toMatchObject([{ name: 'rapl', available: true }]);
});

it.each([
  [300, ''],
  [1_000_000, ', in steps of 1 ms: within 1% for requests of 100 ms and more'],
  [15_625_000, ', in steps of 15.6 ms: within 1% for requests of 1560 ms and more'],
  [null, ', in steps too long to be seen'],
])('says of a clock with steps of %s ns how short a request may be', (stepNs, said) => {
  expect(coarseness(stepNs)).toBe(said);
});
