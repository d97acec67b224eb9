import { levels } from '../../core/busy-machine.js';
import type { Ceilings } from '../../core/result.js';
import { measureLlamaCeilings } from '../../engines/llama/ceilings/ceilings.js';
import { measureCeilings } from '../../engines/onnx/ceilings.js';
import { measureDeviceCeilings } from '../../engines/onnx/gpu/ceilings.js';
import { computesOn } from '../../engines/open.js';
import { largerCeilings } from '../../fold/ceilings.js';
import type { Journal } from '../../journal/append.js';
import { type Dtype, dtypes } from '../../models/dtype.js';
import { openThermalThrottles } from '../../sensors/linux/cpu-frequency.js';
import { openWithheldCpu } from '../../sensors/linux/cpu-quota.js';
import { openOthersCpu } from '../../sensors/linux/system-cpu.js';
import type { BenchOptions } from '../options.js';
import { tell } from '../progress.js';
import { deviceOfModel } from './models.js';
import type { PreparedRun } from './prepare.js';

/**
 * Measures the ceilings of the run's device, and says where others kept cores busy meanwhile, or heat or a quota held
 * them back: that only lowers them.
 */
export async function ceilingsFor(
  prepared: Pick<PreparedRun, 'settings' | 'models' | 'chosen'>,
  usableCores: number,
  signal?: AbortSignal,
): Promise<Ceilings> {
  const [others, withheld, throttles] = [openOthersCpu(), openWithheldCpu(), openThermalThrottles()];
  const measured = await measureDevice(prepared, usableCores, signal);
  const [othersCores, withheldCores, thermalThrottles] = [others, withheld, throttles].map(
    (since) => since?.() ?? 0,
  ) as [number, number, number];
  return {
    ...measured,
    ...(othersCores >= levels.cores.notable && { othersCores }),
    ...(withheldCores >= levels.withheldCores.notable && { withheldCores }),
    ...(thermalThrottles > 0 && { thermalThrottles }),
  };
}

/**
 * Measures the ceilings of the run's device in the types of its models' weights, by the engines that run them: of
 * its GPU, or of the CPU with as many threads as the run keeps busy. Of the bandwidth the larger figure counts: the
 * memory is one.
 */
async function measureDevice(
  { settings, models, chosen }: Pick<PreparedRun, 'settings' | 'models' | 'chosen'>,
  usableCores: number,
  signal: AbortSignal | undefined,
): Promise<Ceilings> {
  const threads = Math.min(settings.concurrency * settings.threads, usableCores);
  const { device, adapter, freeBytes } = chosen;
  const there = models.filter((model) => deviceOfModel(model, device) === device);
  const types = new Set(there.map(({ folder }) => folder.dtype));
  const ofOnnx = dtypes.filter((dtype) => types.has(dtype));
  const ofGgml = [...types].filter((type) => !ofOnnx.some((dtype) => dtype === type));
  const where = device === 'cpu' ? { threads } : { threads, device };
  const none: Ceilings = { memoryBandwidth: null, gemm: {}, ...where };
  const onnx = await measureOnnx(chosen, ofOnnx, threads);
  if (ofGgml.length === 0 || !computesOn('llama', device)) return { ...none, ...onnx };
  // The shaders of products take a software GPU minutes to compile, and its rate says nothing.
  const multiplied = adapter?.kind === 'software' ? [] : ofGgml;
  const llama = await measureLlamaCeilings({ device, threads, freeBytes, types: multiplied }, signal);
  return largerCeilings({ ...none, ...onnx }, { ...none, ...llama })!;
}

async function measureOnnx(
  { device, adapter, freeBytes }: PreparedRun['chosen'],
  used: readonly Dtype[],
  threads: number,
): Promise<Pick<Ceilings, 'memoryBandwidth' | 'gemm'> | null> {
  if (device === 'cpu') return measureCeilings({ threads, dtypes: used });
  if (!computesOn('onnx', device) || used.length === 0) return null;
  const largestBufferBytes = adapter?.largestBufferBytes ?? null;
  return measureDeviceCeilings({ device, dtypes: used, freeBytes, largestBufferBytes });
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
