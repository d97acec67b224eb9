import { describe, expect, it } from 'vitest';
import type { Adapter } from '../../core/records/model.js';
import type { ProbeAnswer } from '../../engines/onnx/gpu/probe.js';
import type { Nvml } from '../../sensors/nvidia/nvml-library.js';
import { chooseDevice, type DeviceSight, type DeviceWish } from './choice.js';

const adapter = (kind: Adapter['kind'], name = 'NVIDIA Some GPU'): Adapter => ({
  name,
  kind,
  memoryBytes: 24e9,
  largestBufferBytes: 2 ** 32 - 1,
  driver: '1',
});
const missing: ProbeAnswer = {
  error: { code: 'device-unavailable', message: 'No driver.', hint: 'Get one.' },
  adapters: [],
};

const wish = (device: DeviceWish['device'], backend: DeviceWish['backend'] = 'auto'): DeviceWish => ({
  ...{ device, backend, engine: 'auto', needed: new Set() },
});

function sight(of: Partial<DeviceSight>): DeviceSight {
  return {
    signs: () => null,
    isInstalled: ({ engine, device }) => engine === 'onnx' && device === 'webgpu',
    probe: async () => missing,
    openNvml: () => {
      throw new Error('no NVML');
    },
    ...of,
  };
}

const nvml = (): Nvml => ({
  driverVersion: '570.1',
  gpus: [
    { name: 'NVIDIA H100', memory: () => ({ totalBytes: 80e9, usedBytes: 5e9 }) } as Nvml['gpus'][number],
  ],
  unreachable: [],
  close() {},
});

describe('auto', () => {
  it('takes a GPU that works', async () => {
    const probe = async () => ({ error: null, adapters: [adapter('discrete')] });
    expect(await chooseDevice(wish('auto', 'auto'), sight({ probe }))).toMatchObject({
      device: 'webgpu',
      adapter: { kind: 'discrete' },
      freeBytes: 24e9,
      warnings: [],
    });
  });

  it('takes no CPU in disguise', async () => {
    const probe = async () => ({ error: null, adapters: [adapter('software', 'llvmpipe')] });
    const chosen = await chooseDevice(wish('auto', 'auto'), sight({ probe }));
    expect(chosen).toMatchObject({ device: 'cpu', adapter: null, warnings: [] });
    expect(chosen.reason).toContain('llvmpipe');
  });

  it('prefers CUDA where its provider is installed, and goes on to WebGPU where it does not open', async () => {
    const webgpu: ProbeAnswer = { error: null, adapters: [adapter('discrete')] };
    const both = sight({ isInstalled: ({ engine }) => engine === 'onnx', probe: async () => webgpu });
    expect((await chooseDevice(wish('auto', 'auto'), both)).device).toBe('cuda');
    const broken = sight({
      isInstalled: ({ engine }) => engine === 'onnx',
      probe: async ({ device }) => (device === 'cuda' ? missing : webgpu),
    });
    expect((await chooseDevice(wish('auto', 'auto'), broken)).device).toBe('webgpu');
  });

  it('opens nothing where no GPU is in sight, nor for the Node binding', async () => {
    const probe = () => Promise.reject(new Error('must not be asked'));
    const blind = await chooseDevice(wish('auto', 'auto'), sight({ probe, signs: () => 'there is none' }));
    expect(blind).toMatchObject({ device: 'cpu', reason: 'there is none' });
    expect((await chooseDevice(wish('auto', 'node'), sight({ probe }))).device).toBe('cpu');
  });

  it('says why each GPU was not taken', async () => {
    const { device, reason } = await chooseDevice(wish('auto', 'auto'), sight({}));
    expect([device, reason]).toEqual(['cpu', 'no GPU works here: No driver']);
  });
});

describe('a device by name', () => {
  it('is the CPU without a look', async () => {
    const probe = () => Promise.reject(new Error('must not be asked'));
    expect(await chooseDevice(wish('cpu', 'auto'), sight({ probe }))).toMatchObject({
      device: 'cpu',
      reason: 'asked for',
    });
  });

  it('is refused with what is missing', async () => {
    await expect(chooseDevice(wish('cuda', 'auto'), sight({}))).rejects.toMatchObject({
      code: 'device-unavailable',
      message: 'No driver.',
      hint: 'Get one.',
    });
    await expect(chooseDevice(wish('webgpu', 'node'), sight({}))).rejects.toMatchObject({
      code: 'device-needs-native',
    });
  });

  it('may be software, and that is said', async () => {
    const probe = async () => ({ error: null, adapters: [adapter('software', 'llvmpipe')] });
    const chosen = await chooseDevice(wish('webgpu', 'auto'), sight({ probe }));
    expect(chosen.warnings).toMatchObject([{ code: 'software-adapter' }]);
    expect(chosen.freeBytes).toBe(12e9);
  });

  it('has of an NVIDIA GPU the memory that nobody holds', async () => {
    const probe = async () => ({ error: null, adapters: [] });
    expect(await chooseDevice(wish('cuda', 'auto'), sight({ probe, openNvml: nvml }))).toMatchObject({
      adapter: { name: 'NVIDIA H100', driver: '570.1', memoryBytes: 80e9 },
      freeBytes: 75e9,
    });
  });
});
