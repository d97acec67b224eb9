import type { MissingChannel } from '../sensor.js';

/**
 * What a GPU split by MIG counts of all its instances together. Which of them were busy, NVML does not tell
 * (utilisation is not supported while MIG is on), so that no share of it can be called an instance's own.
 */
const countedTogether: readonly string[] = ['energy', 'power', 'utilisation'];

/** The figure as missing, where it is of all instances of a GPU that is split; null where it is not. */
export function missingByMig(
  { index, name, mig }: { index: number; name: string; mig: boolean },
  quantity: string,
): MissingChannel | null {
  if (!mig || !countedTogether.includes(quantity)) return null;
  return {
    device: `gpu-${index}`,
    quantity,
    reason: 'unsupported',
    hint: `${name} is split by MIG, and its ${countedTogether.join(', ')} are of all instances together; measure on a GPU that is not split, or, where nobody else uses it, join it with: sudo nvidia-smi -i ${index} -mig 0`,
    mig: true,
  };
}
