import type { Ceilings } from '../core/result.js';
import { measureCeilings } from '../engines/onnx/ceilings.js';
import { measureDeviceCeilings } from '../engines/onnx/gpu/ceilings.js';
import { dtypes } from '../models/dtype.js';
import type { PreparedRun } from './prepare.js';

/**
 * Of what the run computes on, in the dtypes of its models: of its GPU, or of the CPU with as many threads as
 * the run keeps busy.
 */
export async function ceilingsFor(
  { settings, models, chosen }: Pick<PreparedRun, 'settings' | 'models' | 'chosen'>,
  usableCores: number,
): Promise<Ceilings> {
  const threads = Math.min(settings.concurrency * settings.threads, usableCores);
  const used = dtypes.filter((dtype) => models.some(({ folder }) => folder.dtype === dtype));
  const { device, adapter, freeBytes } = chosen;
  if (device === 'cpu') return measureCeilings({ threads, dtypes: used });
  const largestBufferBytes = adapter?.largestBufferBytes ?? null;
  const measured = await measureDeviceCeilings({ device, dtypes: used, freeBytes, largestBufferBytes });
  return { ...measured, threads, device };
}
