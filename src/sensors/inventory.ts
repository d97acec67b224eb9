import { existsSync, readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Warning } from '../core/codes.js';
import { messageOf } from '../core/errors.js';
import { log } from '../core/log.js';
import type { Hardware } from '../core/result.js';
import type { Bytes } from '../core/units.js';
import { askBounded } from './bounded-child.js';
import { type Controller, gpuInventory } from './gpu-inventory.js';
import { readSmiInventory } from './nvidia/nvidia-smi.js';
import type { SmiInventory } from './nvidia/nvidia-smi-parser.js';

export interface Inventory {
  /** Its ceilings are measured, not asked for: `null` here. */
  hardware: Hardware;
  /** `Debian GNU/Linux 12 (kernel 6.1.0, x64)`. */
  os: string;
  /** Surroundings of the process, as far as it can tell. */
  virtualization: { container: boolean; virtualMachine: string | null };
  /** Cores this process may use, by affinity and, where set, by its control group's quota. */
  usableCores: number;
  /** Warnings: a tool that did not answer, or said more than it was asked. */
  warnings: Warning[];
}

const text = z.string().default('');
const amount = z.number().nullish();
/** The part of systeminformation's answer that is read. */
const systemSchema = z.object({
  cpu: z
    .object({
      manufacturer: text,
      brand: text,
      cores: amount,
      physicalCores: amount,
      family: text,
      model: text,
      stepping: text,
      cache: z.looseObject({}).nullish(),
      speedMax: amount,
      flags: text,
    })
    .partial(),
  controllers: z.array(z.object({ model: text, vendor: text, vram: amount, driverVersion: text })),
  os: z.object({ distro: text, release: text, kernel: text }).partial(),
  system: z.object({ virtual: z.boolean(), virtualHost: text }).partial(),
});
type System = z.infer<typeof systemSchema>;

// A child loads no TypeScript: where the sources run (tests), the build stands in for them.
const describeSystem = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../dist/sensors/describe-system.js' : './describe-system.js',
    import.meta.url,
  ),
);
const answerWithinMs = 15_000;
/** Before the answer on the child's stdout. */
const answerMark = 'tokenwork-system:';

/**
 * What machine this is. Starts processes: call it once, before anything is measured. Each has a time limit; what
 * could not be told in it, or was told in part, is a warning.
 */
export async function takeInventory(): Promise<Inventory> {
  const warnings: Warning[] = [];
  const [system, nvidia] = await Promise.all([askSystem(warnings), askNvidia(warnings)]);
  const { cpu, controllers, os } = system;
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
        family: cpu.family ?? '',
        model: cpu.model ?? '',
        stepping: cpu.stepping ?? '',
        cacheBytes: cpu.cache ?? null,
        maxGhz: cpu.speedMax || null,
        vectorFlags: vectorFlags(cpu.flags ?? ''),
      },
      memoryBytes,
      gpus: gpuInventory(controllers as Controller[], nvidia),
      ceilings: null,
    },
    os: `${os.distro || platform()} ${os.release ?? ''} (kernel ${os.kernel || release()}, ${arch()})`.trim(),
    virtualization: {
      container: existsSync('/.dockerenv') || existsSync('/run/.containerenv'),
      virtualMachine: system.system.virtual ? system.system.virtualHost || 'unknown' : null,
    },
    usableCores: usableCores(),
    warnings,
  };
}

async function askSystem(warnings: Warning[]): Promise<System> {
  let why: string;
  try {
    const { answer, ended } = await askBounded([process.execPath, describeSystem, answerMark], answerMark, {
      withinMs: answerWithinMs,
    });
    if (answer !== null) return systemSchema.parse(JSON.parse(answer));
    why = ended.timedOut
      ? `no answer within ${answerWithinMs / 1000} s`
      : ended.stderr.trim().split('\n').at(-1)?.slice(0, 300) || 'no answer';
  } catch (error) {
    why = messageOf(error);
  }
  warnings.push({
    code: 'inventory-partial',
    message: `What machine this is could not be asked in full: ${why}.`,
    hint: 'Processor and memory are told by Node alone, GPUs by their driver; see which tool hangs with `tokenwork doctor --verbose`.',
  });
  return { cpu: {}, controllers: [], os: {}, system: {} };
}

/** Null where there is no nvidia-smi. */
async function askNvidia(warnings: Warning[]): Promise<SmiInventory | null> {
  try {
    const inventory = await readSmiInventory();
    if (inventory.notes.length > 0)
      warnings.push({
        code: 'nvidia-smi-says',
        message: `nvidia-smi says beside its answer: ${inventory.notes.join('; ')}.`,
        hint: 'What it answered stands; see what the driver has to say with `nvidia-smi -q` and `dmesg`.',
      });
    return inventory;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    warnings.push({
      code: 'nvidia-smi-failed',
      message: `nvidia-smi did not tell of this machine's GPUs: ${messageOf(error)}.`,
      hint: 'Mend the NVIDIA driver, or remove its tools from a machine that has no such GPU.',
    });
    return null;
  }
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

/** Words of a CPU's brand that do not tell one model from another. */
const noise = new Set(['intel', 'amd', 'genuine', 'authentic', 'cpu', 'processor', 'with', 'core', 'apu']);

/**
 * A short, stable, readable name of a machine: CPU model, logical cores, memory in GiB, such as
 * `epyc-9b14-2c-24g`. It names the folder that reference results of the machine lie in, so it depends on
 * nothing that changes between two runs: no frequency, no free memory, no kernel.
 */
export function hardwareId(cpuBrand: string, logicalCores: number, memoryBytes: Bytes): string {
  const words = cpuBrand
    .toLowerCase()
    .replace(/\((r|tm)\)|[®™©]/g, ' ')
    .replace(/@.*$/, '')
    .replace(/\b(with|w)\b.*\bgraphics\b/, ' ')
    .replace(/\b\d+-core\b/g, ' ')
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '' && !noise.has(word));
  const memoryGib = Math.max(1, Math.round(memoryBytes / 2 ** 30));
  return [...(words.length > 0 ? words : ['cpu']), `${logicalCores}c`, `${memoryGib}g`].join('-');
}
