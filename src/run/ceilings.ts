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

/**
 * The larger of each figure. A machine's other load, or a throttled clock, only ever lowers what is
 * measured, so of two looks the larger is nearer the ceiling.
 */
export function largerCeilings(one: Ceilings | null, other: Ceilings | null): Ceilings | null {
  if (one === null || other === null) return one ?? other;
  const names = [...new Set([...Object.keys(one.gemm), ...Object.keys(other.gemm)])];
  return {
    ...one,
    memoryBandwidth: larger(one.memoryBandwidth, other.memoryBandwidth),
    gemm: Object.fromEntries(names.map((name) => [name, larger(one.gemm[name], other.gemm[name])!])),
  };
}

function larger<Figure extends { value: number } | null | undefined>(one: Figure, other: Figure): Figure {
  return (other?.value ?? 0) > (one?.value ?? 0) ? other : one;
}
