import { describe, expect, it } from 'vitest';
import { openDevicePeakMemory } from './device-peak-memory.js';
import type { PeakMemory } from './linux/memory.js';
import type { Nvml } from './nvidia/nvml-library.js';

/** Two GPUs, on which process 7 holds what `held` says. */
function nvml(held: () => (number | null)[]): () => Nvml {
  const gpu = (index: number) => ({
    processes: () => {
      const usedBytes = held()[index]!;
      return [
        { pid: 7, usedBytes },
        { pid: 8, usedBytes: 5e9 },
      ];
    },
  });
  return () => ({ driverVersion: '1', gpus: [gpu(0), gpu(1)] as never, unreachable: [], close() {} });
}

describe('peak memory of a GPU', () => {
  it('is what this process holds more than at the start, on all GPUs', () => {
    let held = [1e9, 2e9];
    const peak = openDevicePeakMemory(true, { open: nvml(() => held), pid: 7 }) as PeakMemory;
    expect(peak.method).toContain('NVML');
    peak.begin();
    held = [1.5e9, 2e9];
    expect(peak.end()).toBe(0.5e9);
  });

  it('is not known where it did not rise: the allocator had kept enough', () => {
    const peak = openDevicePeakMemory(true, { open: nvml(() => [1e9, 0]), pid: 7 }) as PeakMemory;
    peak.begin();
    expect(peak.end()).toBeNull();
  });

  it('is unavailable among concurrent requests, without NVML, and where the process is not listed', () => {
    const open = nvml(() => [1e9, 0]);
    expect(openDevicePeakMemory(false, { open, pid: 7 })).toMatchObject({ reason: 'not-applicable' });
    expect(openDevicePeakMemory(true, { open, pid: 99 })).toMatchObject({
      reason: 'unsupported',
      hint: expect.stringContaining('--pid=host'),
    });
    expect(openDevicePeakMemory(true, { open: nvml(() => [null, null]), pid: 7 })).toMatchObject({
      reason: 'unsupported',
    });
    const none = () => {
      throw new Error('no library');
    };
    expect(openDevicePeakMemory(true, { open: none })).toMatchObject({ reason: 'unsupported' });
  });

  it('ends as not known where the GPU is lost meanwhile', () => {
    let lost = false;
    const held = () => {
      if (lost) throw new Error('GPU is lost');
      return [1e9, 0];
    };
    const peak = openDevicePeakMemory(true, { open: nvml(held), pid: 7 }) as PeakMemory;
    peak.begin();
    lost = true;
    expect(peak.end()).toBeNull();
  });
});
