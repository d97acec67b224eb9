import type { Hardware } from '../core/result.js';
import type { SmiInventory } from './nvidia/nvidia-smi-parser.js';

/** A GPU as the bus shows it, in the words of systeminformation. */
export interface Controller {
  model: string;
  vendor: string;
  /** MiB. */
  vram?: number | null | undefined;
  driverVersion?: string | undefined;
}

/**
 * The machine's GPUs. NVIDIA's are described by their driver where it answers (`nvidia-smi -q -x`): in a
 * container it sees them though the bus shows none, and it alone knows of MIG and of the power limit.
 */
export function gpuInventory(
  controllers: readonly Controller[],
  nvidia: SmiInventory | null,
): Hardware['gpus'] {
  const others = nvidia?.gpus.length
    ? controllers.filter(({ vendor }) => !/nvidia/i.test(vendor))
    : controllers;
  return [
    ...(nvidia?.gpus ?? []).map(
      ({ name, memoryTotalBytes, architecture, uuid, powerLimitW, readsPower, mig }) => ({
        model: name,
        vendor: 'NVIDIA',
        memoryBytes: memoryTotalBytes,
        driver: nvidia!.driverVersion,
        cuda: nvidia!.cudaVersion,
        architecture,
        uuid,
        powerLimitW,
        readsPower,
        migDevices: mig?.length ?? 0,
        splitByMig: mig !== null,
      }),
    ),
    ...others.map(({ model, vendor, vram, driverVersion }) => ({
      model,
      vendor,
      memoryBytes: vram === null || vram === undefined ? null : vram * 2 ** 20,
      driver: driverVersion || null,
    })),
  ];
}
