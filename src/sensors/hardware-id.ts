import type { Bytes } from '../core/units.js';

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
