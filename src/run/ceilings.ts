import { notableCores, notableWithheldCores } from '../core/busy-machine.js';
import type { Ceilings } from '../core/result.js';
import { measureCeilings } from '../engines/onnx/ceilings.js';
import { measureDeviceCeilings } from '../engines/onnx/gpu/ceilings.js';
import type { Journal } from '../journal/append.js';
import { dtypes } from '../models/dtype.js';
import { openThermalThrottles } from '../sensors/linux/cpu-frequency.js';
import { openWithheldCpu } from '../sensors/linux/cpu-quota.js';
import { openOthersCpu } from '../sensors/linux/system-cpu.js';
import type { BenchOptions } from './options.js';
import type { PreparedRun } from './prepare.js';
import { tell } from './progress.js';

/**
 * Measures the ceilings of the run's device, and says where others kept cores busy meanwhile, or heat or a quota held
 * them back: that only lowers them.
 */
export async function ceilingsFor(
  prepared: Pick<PreparedRun, 'settings' | 'models' | 'chosen'>,
  usableCores: number,
): Promise<Ceilings> {
  const [others, withheld, throttles] = [openOthersCpu(), openWithheldCpu(), openThermalThrottles()];
  const measured = await measureDevice(prepared, usableCores);
  const [othersCores, withheldCores, thermalThrottles] = [others, withheld, throttles].map(
    (since) => since?.() ?? 0,
  ) as [number, number, number];
  return {
    ...measured,
    ...(othersCores >= notableCores && { othersCores }),
    ...(withheldCores >= notableWithheldCores && { withheldCores }),
    ...(thermalThrottles > 0 && { thermalThrottles }),
  };
}

/**
 * Measures the ceilings of the run's device in the dtypes of its models: of its GPU, or of the CPU with as many
 * threads as the run keeps busy.
 */
async function measureDevice(
  { settings, models, chosen }: Pick<PreparedRun, 'settings' | 'models' | 'chosen'>,
  usableCores: number,
): Promise<Ceilings> {
  const threads = Math.min(settings.concurrency * settings.threads, usableCores);
  const used = dtypes.filter((dtype) => models.some(({ folder }) => folder.dtype === dtype));
  const { device, adapter, freeBytes } = chosen;
  if (device === 'cpu') return measureCeilings({ threads, dtypes: used });
  if (device === 'vulkan' || device === 'metal') return { memoryBandwidth: null, gemm: {}, threads, device };
  const largestBufferBytes = adapter?.largestBufferBytes ?? null;
  const measured = await measureDeviceCeilings({ device, dtypes: used, freeBytes, largestBufferBytes });
  return { ...measured, threads, device };
}

/** Measures the ceilings after the requests too: other load may be gone by then, and folding keeps the larger. */
export async function measureCeilingsAgain(
  prepared: PreparedRun,
  journal: Journal,
  usableCores: number,
  { onProgress, signal, ceilings }: BenchOptions,
): Promise<void> {
  if (signal?.aborted || ceilings === false) return;
  // A software GPU takes half a minute, and its figures say nothing.
  if (prepared.chosen.adapter?.kind === 'software') return;
  tell(onProgress, 'machine', 'measuring the machine once more');
  journal.append({ kind: 'ceilings', ceilings: await ceilingsFor(prepared, usableCores) });
}
