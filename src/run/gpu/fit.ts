import type { ErrorCode, Warning } from '../../core/codes.js';
import { TokenworkError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { CheckedReads } from '../../engines/checked-steps.js';
import type { Device } from '../../engines/engine.js';
import { matrixOpsOnCpu } from '../../engines/onnx/gpu/placement.js';
import type { JournalModel } from '../../journal/entry.js';
import { policyOf } from '../../stages/pipeline.js';
import { chatRole, deviceOfModel, type RunModel } from '../local/models.js';
import { modelsOfCell, type PreparedRun } from '../local/prepare.js';
import type { BenchOptions } from '../options.js';
import { tell } from '../progress.js';
import { refuseStopped } from '../stopped.js';
import { checkGguf, checkGgufEncoder, gateEncoder, gateModel, type ModelOnDevice } from './gate.js';
import { fittingCells, prefixCacheOf } from './memory.js';

/** Failures of one model that leave the others of a suite to be measured. */
const ownFailures = new Set<ErrorCode>([
  'device-parity',
  'device-out-of-memory',
  'device-limit',
  'model-unsupported',
  'engine-failed',
  'disk-full',
]);

/**
 * Makes a prepared run ready for its GPU: every model held against the CPU, and rebuilt where that helps;
 * cells that do not fit left out. A model of a suite that fails, or whose matrix products the GPU leaves to
 * the CPU, is left out with a warning; one that the user named, or the last, fails the run in the first case
 * and is measured in the second. On the CPU the run is as it was.
 */
export async function fitToDevice(prepared: PreparedRun, options: BenchOptions): Promise<PreparedRun> {
  const { device } = prepared.chosen;
  if (device === 'cpu') {
    for (const model of prepared.models) await tryIfGguf(model, prepared, options);
    return prepared;
  }
  const models: RunModel[] = [];
  const onDevice = new Map<string, ModelOnDevice>();
  const warnings: Warning[] = [...prepared.chosen.warnings];
  for (const model of prepared.models) {
    refuseStopped(options);
    const { spec } = prepared.settings.models.find(({ id }) => id === model.id)!;
    const last = model === prepared.models.filter(isChat).at(-1) && !models.some(isChat);
    const needed = last || (isChat(model) && (options.models ?? []).length > 0);
    const leaveOut = (message: string, hint: string) =>
      warnings.push({ code: 'model-left-out', message: `${model.id} is left out: ${message}`, hint });
    try {
      if (deviceOfModel(model, device) === 'cpu') {
        await tryIfGguf(model, prepared, options);
        models.push(model);
        continue;
      }
      const gated = await gate(model, spec, { device, ...readsOf(model, prepared) }, options);
      const { placement } = gated.onDevice;
      const onCpu = placement === undefined ? [] : matrixOpsOnCpu(placement);
      if (onCpu.length > 0 && isChat(model) && !needed) {
        const ops = onCpu.map(([op, count]) => `${count} ${op}`).join(', ');
        leaveOut(
          `${device} leaves ${ops} of it to the CPU, and a run of it would measure that.`,
          `Name it to measure it all the same: --model ${spec}${device === 'webgpu' ? '; CUDA has kernels that WebGPU has not' : ''}.`,
        );
        continue;
      }
      models.push(gated.model);
      onDevice.set(model.id, gated.onDevice);
      warnings.push(...gated.warnings);
    } catch (thrown) {
      if (!(thrown instanceof TokenworkError) || !ownFailures.has(thrown.code) || needed) throw thrown;
      leaveOut(thrown.message, thrown.hint);
    }
  }
  const planned = prepared.cells.filter((cell) =>
    modelsOfCell(cell).every((name) => models.some(({ id }) => id === name)),
  );
  const fitting = fittingCells(planned, models, prepared.chosen, prepared.settings.concurrency);
  log('memory fit: %d of %d cells, %j', fitting.cells.length, planned.length, fitting.warnings);
  if (fitting.cells.length === 0)
    throw new TokenworkError(
      'nothing-to-run',
      `No request of ${prepared.suite} can run on the GPU: ${fitting.warnings[0]?.message ?? ''}`,
      'Use a smaller model, shorter prompts or smaller batches, or run with --device cpu.',
    );
  const used = models.filter(({ id }) => fitting.cells.some((cell) => modelsOfCell(cell).includes(id)));
  return {
    ...prepared,
    settings: {
      ...prepared.settings,
      models: prepared.settings.models
        .filter(({ id }) => used.some((model) => model.id === id))
        .map((model) => {
          const run = used.find(({ id }) => id === model.id)!;
          return run.kind === 'decoder' ? { ...model, graphVariant: run.folder.graphVariant } : model;
        }),
    },
    models: used,
    cells: fitting.cells,
    onDevice,
    warnings: [...prepared.warnings, ...warnings, ...fitting.warnings],
  };
}

const isChat = ({ roles }: Pick<RunModel, 'roles'>): boolean => roles.includes(chatRole);

async function gate(
  model: RunModel,
  spec: string,
  target: { device: Exclude<Device, 'cpu'> } & CheckedReads,
  options: BenchOptions,
): Promise<{ model: RunModel; onDevice: ModelOnDevice; warnings: Warning[] }> {
  if (model.kind === 'decoder') {
    // By the name it has in the run: there it may be one of several dtypes.
    const named = { ...model.folder, id: model.id };
    const { folder, ...rest } = await gateModel({ spec, folder: named }, target, options);
    return { model: { ...model, folder }, ...rest };
  }
  if (model.folder.format === 'gguf') throw new Error(`${model.id} stays on the CPU`);
  const { folder, ...rest } = await gateEncoder(model.folder, target, options);
  return { model: { ...model, folder }, ...rest };
}

/**
 * Sees whether llama.cpp loads a GGUF model of the run and runs it on the CPU, where it may end the process: one file is
 * enough for that.
 */
async function tryIfGguf(model: RunModel, prepared: PreparedRun, options: BenchOptions): Promise<void> {
  if (model.folder.format !== 'gguf') return;
  tell(options.onProgress, 'loading', `trying ${model.id} in a process of its own`);
  if (model.kind === 'decoder')
    await checkGguf(model.folder, { device: 'cpu', ...readsOf(model, prepared) }, options.signal);
  else await checkGgufEncoder(model.folder, options.signal);
}

/** Whether requests of the run reuse positions that this model has computed for others, and whether they drop some. */
function readsOf({ id }: RunModel, { cells }: Pick<PreparedRun, 'cells'>): CheckedReads {
  return {
    prefixCache: cells.some(({ model, request }) => model === id && prefixCacheOf(request) !== null),
    takesBack: cells.some(({ model, request: { pipeline } }) => {
      const decode = pipeline && policyOf(pipeline, 'decode');
      if (!decode || decode.speculation === 'none') return false;
      // The draft drops what was not accepted, as the model that verifies does.
      return model === id || pipeline.models[decode.draft ?? ''] === id;
    }),
  };
}

/** A model's record with what is known of it on the run's device. */
export function withDevice(
  record: JournalModel,
  { chosen, onDevice }: Pick<PreparedRun, 'chosen' | 'onDevice'>,
): JournalModel {
  const { device, reason: deviceReason, adapter } = chosen;
  return {
    ...record,
    engine: {
      ...record.engine,
      deviceReason,
      ...(device !== 'cpu' && record.engine.device === device && { adapter }),
    },
    ...onDevice.get(record.id),
  };
}
