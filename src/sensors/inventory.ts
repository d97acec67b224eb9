import { existsSync, readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import si from 'systeminformation';
import { log } from '../core/log.js';
import type { Hardware } from '../core/result.js';
import { gpuInventory } from './gpu-inventory.js';
import { hardwareId } from './hardware-id.js';
import { readSmiInventory } from './nvidia/nvidia-smi.js';

export interface Inventory {
  /** Its ceilings are measured, not asked for: `null` here. */
  hardware: Hardware;
  /** `Debian GNU/Linux 12 (kernel 6.1.0, x64)`. */
  os: string;
  /** Where the process runs, as far as it can tell. */
  virtualization: { container: boolean; virtualMachine: string | null };
  /** Cores this process may use, by affinity and, where set, by its control group's quota. */
  usableCores: number;
}

/**
 * What machine this is. Asks systeminformation, which starts processes of its own: call it once, before
 * anything is measured.
 */
export async function takeInventory(): Promise<Inventory> {
  const [cpu, graphics, os, system, nvidia] = await Promise.all([
    si.cpu(),
    si.graphics(),
    si.osInfo(),
    si.system(),
    readSmiInventory().catch((error) => {
      log('inventory of NVIDIA GPUs: %s', error);
      return null; // No NVIDIA GPU, or none that its driver answers for.
    }),
  ]);
  const logicalCores = cpu.cores || cpus().length;
  const brand = [cpu.manufacturer, cpu.brand].join(' ').trim() || (cpus()[0]?.model ?? 'unknown CPU');
  const memoryBytes = totalmem();
  return {
    hardware: {
      id: hardwareId(brand, logicalCores, memoryBytes),
      cpu: {
        brand,
        physicalCores: cpu.physicalCores || logicalCores,
        logicalCores,
        family: cpu.family,
        model: cpu.model,
        stepping: cpu.stepping,
        cacheBytes: cpu.cache,
        maxGhz: cpu.speedMax || null,
        vectorFlags: vectorFlags(cpu.flags),
      },
      memoryBytes,
      gpus: gpuInventory(graphics.controllers, nvidia),
      ceilings: null,
    },
    os: `${os.distro} ${os.release} (kernel ${os.kernel || release()}, ${arch()})`.trim(),
    virtualization: {
      container: existsSync('/.dockerenv') || existsSync('/run/.containerenv'),
      virtualMachine: system.virtual ? system.virtualHost || 'unknown' : null,
    },
    usableCores: usableCores(),
  };
}

/** The instruction sets that decide how fast matrix products run. */
function vectorFlags(flags: string): string[] {
  return flags
    .split(/\s+/)
    .filter((flag) => /^(sse4_2|avx|fma$|f16c|amx|neon|asimd|sve|i8mm|bf16)/.test(flag));
}

function usableCores(): number {
  const affinity = availableParallelism();
  if (platform() !== 'linux') return affinity;
  try {
    const quota = coresOfQuota(readFileSync('/sys/fs/cgroup/cpu.max', 'utf8'));
    return quota === null ? affinity : Math.max(1, Math.min(affinity, quota));
  } catch (error) {
    log('CPU quota: %s', error);
    return affinity; // No cgroup v2 here, hence no quota of its kind.
  }
}

/** Whole cores of a cgroup v2 `cpu.max` (`QUOTA PERIOD` or `max PERIOD`); null where unlimited. */
export function coresOfQuota(cpuMax: string): number | null {
  const [quota, period] = cpuMax.trim().split(/\s+/);
  return quota === 'max' ? null : Math.floor(Number(quota) / Number(period));
}
