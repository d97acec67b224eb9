import { messageOf } from '../core/errors.js';
import { log } from '../core/log.js';
import type { Bytes } from '../core/units.js';
import type { Absence } from './absence.js';
import type { PeakMemory } from './linux/memory.js';
import { type Nvml, openNvml } from './nvidia/nvml-library.js';
import { knownNvmlTrouble } from './nvidia/nvml-probe.js';

/**
 * Memory of NVIDIA GPUs that this process holds, around a request. The allocators of ONNX Runtime give
 * nothing back, so what a request ends with is its peak; and what earlier requests made them take is part of
 * the resting level, as on the CPU.
 */
export function openDevicePeakMemory(
  alone: boolean,
  { open = openNvml, pid = process.pid }: { open?: () => Nvml; pid?: number } = {},
): PeakMemory | Absence {
  if (!alone)
    return {
      reason: 'not-applicable',
      hint: 'Memory of the GPU is the whole process’s; run with --concurrency 1 to measure it.',
    };
  const trouble = knownNvmlTrouble();
  if (trouble !== null) return trouble;
  let nvml: Nvml;
  try {
    nvml = open();
  } catch (error) {
    return {
      reason: 'unsupported',
      hint: `Only NVIDIA's driver tells how much memory of the GPU a process holds, and it does not load (${messageOf(error)}).`,
    };
  }
  const held = (): Bytes | null => {
    try {
      const own = nvml.gpus.flatMap((gpu) => gpu.processes().filter((found) => found.pid === pid));
      const known = own.flatMap(({ usedBytes }) => (usedBytes === null ? [] : [usedBytes]));
      return known.length > 0 ? known.reduce((sum, bytes) => sum + bytes, 0) : null;
    } catch (error) {
      log('memory that this process holds on the GPU: %s', error);
      return null; // A GPU that is lost meanwhile: the request says so, its memory is not known.
    }
  };
  if (held() === null) {
    nvml.close();
    return {
      reason: 'unsupported',
      hint: 'The driver does not list this process among the GPU’s, as in a container with process ids of its own; start it with --pid=host.',
    };
  }
  let restingBytes: Bytes | null = null;
  return {
    method:
      'memory of the GPU that this process holds (NVML) at the end of the request minus that at its start, to which memory that the allocators kept from requests before belongs',
    apart: false,
    begin() {
      restingBytes = held();
    },
    end() {
      const heldBytes = held();
      if (heldBytes === null || restingBytes === null) return null;
      return heldBytes > restingBytes ? heldBytes - restingBytes : null;
    },
  };
}
