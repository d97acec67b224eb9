import { freemem } from 'node:os';
import type { Warning } from '../../core/codes.js';
import { TokenworkError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { DeviceParity, Placement } from '../../core/records/model.js';
import type { CheckedReads, DeviceCheck } from '../../engines/checked-steps.js';
import type { Device } from '../../engines/engine.js';
import { checkedWithinMs, checkModel } from '../../engines/llama/check.js';
import { checkOnDevice, cpuReference } from '../../engines/onnx/gpu/parity.js';
import { matrixOpsOnCpu, placementWarnings } from '../../engines/onnx/gpu/placement.js';
import { computesOn } from '../../engines/open.js';
import { type GraphVariant, graphVariantsOf } from '../../models/build/graph-variant.js';
import { type Dtype, dtypes } from '../../models/dtype.js';
import type { EncoderFolder } from '../../models/encoder/folder.js';
import type { ModelFolder } from '../../models/folder.js';
import type { GgufEncoder } from '../../models/gguf/encoder.js';
import type { GgufFile } from '../../models/gguf/open.js';
import { locateModel, resolveModel } from '../../models/resolve.js';
import type { DecoderFolder } from '../local/models.js';
import type { BenchOptions } from '../options.js';
import { tell } from '../progress.js';
import { storedWeightBytes } from './memory.js';

type Gpu = Exclude<Device, 'cpu'>;

/** The findings about a model on a GPU. */
export interface ModelOnDevice {
  /** Absent where the engine puts all of a model where it is told. */
  placement?: Placement;
  offloadedLayers?: { device: number; all: number };
  /** Parities of the graph that runs, last, and of those tried before it. */
  deviceParity: DeviceParity[];
}

export interface GatedModel<Folder> {
  folder: Folder;
  onDevice: ModelOnDevice;
  warnings: Warning[];
}

type GateOptions = Pick<BenchOptions, 'cacheDirectory' | 'signal' | 'onProgress' | 'allowParityMismatch'>;

interface Attempt<Folder extends AnyFolder = AnyFolder> extends DeviceCheck {
  folder: Folder;
}

/** The device that a model is to run on, and the parts of it that do. */
interface GateTarget extends CheckedReads {
  device: Gpu;
}

type AnyFolder = DecoderFolder | EncoderFolder;
/** An encoder's graph is written in one way only. */
const graphVariantOf = (folder: AnyFolder): string =>
  'graphVariant' in folder ? folder.graphVariant : 'encoder';

/**
 * Memory of a session on the CPU, of the bytes of its weights, copies of some included. It computes in fp32:
 * weights in fp16 are widened, and there twice (2.5 times their bytes for SmolLM2-135M, 1.3 in fp32).
 */
const hostShare = (dtype: string): number => (dtype === 'fp16' ? 2.6 : 1.4);

/**
 * Holds a model on the GPU against the CPU before anything is measured. A built model whose graph fails, or
 * has matrix products that the GPU leaves to the CPU, is built in another graph variant, the first that has neither
 * fault; else the first that agrees. A model of the user's own is taken as it is, or not at all.
 * Throws TokenworkError `device-parity` where nothing agrees (unless `allowParityMismatch`), or what opening
 * and running the model throw.
 */
export async function gateModel<Folder extends DecoderFolder>(
  { spec, folder }: { spec: string; folder: Folder },
  target: GateTarget,
  options: GateOptions,
): Promise<GatedModel<Folder>> {
  const others = folder.format === 'onnx' ? otherGraphVariants(spec, folder, options) : [];
  return gate(folder, others as Iterable<Folder> | AsyncIterable<Folder>, target, options);
}

/** Gates an encoder as `gateModel` does a decoder; its graph has no variants. */
export async function gateEncoder(
  folder: EncoderFolder,
  target: GateTarget,
  options: GateOptions,
): Promise<GatedModel<EncoderFolder>> {
  return gate(folder, [], target, options);
}

async function gate<Folder extends AnyFolder>(
  folder: Folder,
  others: Iterable<Folder> | AsyncIterable<Folder>,
  target: GateTarget,
  options: GateOptions,
): Promise<GatedModel<Folder>> {
  const { device } = target;
  const attempts: Attempt<Folder>[] = [];
  for await (const candidate of firstThen(folder, others)) {
    const graphVariant = graphVariantOf(candidate);
    tell(
      options.onProgress,
      'loading',
      `holding ${candidate.id} (${candidate.dtype}, ${graphVariant}) against the CPU`,
    );
    const attempt = { folder: candidate, ...(await checked(candidate, target, options.signal)) };
    attempts.push(attempt);
    log('parity of %s on %s: %j, placed %j', candidate.id, device, attempt.parity, attempt.placement);
    if (agrees(attempt) && isWhole(attempt)) break;
  }
  const chosen = attempts.find((attempt) => agrees(attempt) && isWhole(attempt)) ?? attempts.find(agrees);
  const taken = chosen ?? (options.allowParityMismatch ? attempts[0]! : undefined);
  if (taken === undefined) throw disagreement(folder, device, attempts);
  const tried = attempts.filter((attempt) => attempt !== taken);
  return {
    folder: taken.folder,
    onDevice: {
      ...(taken.placement && { placement: taken.placement }),
      ...(taken.offloadedLayers && { offloadedLayers: taken.offloadedLayers }),
      deviceParity: [...tried, taken].map(({ parity }) => parity),
    },
    warnings: [
      ...(taken.folder === folder ? [] : [replaced(folder, taken.folder, attempts[0]!)]),
      ...(taken.placement ? placementWarnings(folder.id, taken.placement) : []),
      ...offloadWarnings(folder, taken),
      ...(taken.parity.passed === null ? [unchecked(folder)] : []),
      ...(taken.parity.passed === false ? [mismatch(folder, taken.parity)] : []),
    ],
  };
}

/** Runs a model in short on the device, and on the CPU where that has room for it. */
async function checked(
  folder: AnyFolder,
  { device, ...reads }: GateTarget,
  signal: AbortSignal | undefined,
): Promise<DeviceCheck> {
  const { dtype } = folder;
  const graphVariant = graphVariantOf(folder);
  if (isGguf(folder)) return (await checkGguf(folder, { device, ...reads }, signal))!;
  if (device === 'vulkan' || device === 'metal') throw new Error(`ONNX models do not run on ${device}`);
  const reference = fitsMemory(folder) ? await cpuReference(folder, reads, signal) : null;
  return checkOnDevice({ ...folder, dtype, graphVariant }, { device, ...reads }, reference, signal);
}

/**
 * Loads a GGUF model in a process of its own and runs it in short; on a GPU its logits are held against the CPU's.
 * Throws as `checkModel` does.
 */
export async function checkGguf(
  folder: GgufFile,
  { device, ...reads }: { device: Device } & CheckedReads,
  signal: AbortSignal | undefined,
): Promise<DeviceCheck | null> {
  const { paths, contextLength, dtype, graphVariant, cost } = folder;
  const own = computesOn('llama', device) ? device : 'cpu';
  return checkModel(
    {
      model: { paths, contextLength, kvBytesPerPosition: cost.kvBytesPerToken, dtype, graphVariant },
      device: own,
      ...reads,
      withReference: fitsMemory(folder),
    },
    { withinMs: checkedWithinMs(cost.parameters, own), signal },
  );
}

/** Loads an encoder in GGUF and runs it in short on the CPU, as `checkGguf` does a decoder. */
export async function checkGgufEncoder(folder: GgufEncoder, signal: AbortSignal | undefined): Promise<void> {
  const { paths, contextLength, poolsItself, cost } = folder;
  const encoder = { paths, contextLength, poolsItself };
  await checkModel({ encoder }, { withinMs: checkedWithinMs(cost.parameters, 'cpu'), signal });
}

const isGguf = (folder: AnyFolder): folder is GgufFile => 'format' in folder && folder.format === 'gguf';

const agrees = ({ parity }: Attempt): boolean => parity.passed !== false;
/** Whether nothing is on the CPU that another graph variant would bring onto the GPU; all have the same experts. */
const isWhole = ({ placement }: Attempt): boolean =>
  placement === null || matrixOpsOnCpu(placement).every(([op]) => op === 'MoE' || op === 'QMoE');

async function* firstThen<Item>(first: Item, others: Iterable<Item> | AsyncIterable<Item>) {
  yield first;
  yield* others;
}

/** The model in its other graph variants, where it can be built anew. */
async function* otherGraphVariants(
  spec: string,
  folder: ModelFolder,
  { cacheDirectory, signal, onProgress }: GateOptions,
): AsyncGenerator<ModelFolder> {
  const located = folder.source === 'synthesised' ? await locateModel(spec) : null;
  if (located?.kind !== 'recipe') return;
  // Of those that are left, attention in matrix products runs on every device.
  const order: readonly GraphVariant[] = ['contrib', 'primitive', 'standard'];
  for (const graphVariant of order.filter((name) => graphVariantsOf(located.recipe).includes(name))) {
    if (graphVariant === folder.graphVariant) continue;
    yield await resolveModel(spec, {
      dtype: dtypes.find((name): name is Dtype => name === folder.dtype),
      graphVariant,
      cacheDirectory,
      signal,
      onProgress: ({ fraction, message }) => tell(onProgress, 'models', message, fraction),
    });
  }
}

/** A reference that drives the machine, or its container, out of memory takes the run with it. */
const fitsMemory = (folder: AnyFolder): boolean =>
  storedWeightBytes(folder) * hostShare(folder.dtype) < (process.availableMemory?.() ?? freemem());

function offloadWarnings({ id }: AnyFolder, { offloadedLayers }: Attempt): Warning[] {
  if (offloadedLayers === undefined || offloadedLayers.device === offloadedLayers.all) return [];
  const { device, all } = offloadedLayers;
  return [
    {
      code: 'cpu-fallback',
      message: `${id}: ${device} of ${all} layers are on the GPU, and the others are computed on the CPU.`,
      hint: 'Times and work are those of both together. Use a smaller model or quantisation, or a GPU with more memory.',
    },
  ];
}

function replaced(asked: AnyFolder, taken: AnyFolder, { parity, placement }: Attempt): Warning {
  const why =
    parity.passed === false
      ? `the ${graphVariantOf(asked)} graph's logits differ from the CPU's (${describe(parity)})`
      : `the GPU leaves parts of the ${graphVariantOf(asked)} graph to the CPU (${Object.keys(placement?.cpuOps ?? {}).join(', ')})`;
  return {
    code: 'graph-variant-replaced',
    message: `${asked.id} runs as a ${graphVariantOf(taken)} graph: on this GPU ${why}.`,
    hint: 'Compare it with results of the same graph variant only: another graph moves other bytes.',
  };
}

function unchecked({ id }: AnyFolder): Warning {
  return {
    code: 'parity-unchecked',
    message: `${id} was not held against the CPU: this machine has too little memory free to run it there.`,
    hint: 'That the GPU computes rightly is not known for this model; a smaller one of the same kind would show it.',
  };
}

function mismatch({ id }: AnyFolder, parity: DeviceParity): Warning {
  return {
    code: 'parity-mismatch',
    message: `${id} runs although its logits on this GPU differ from the CPU's (${describe(parity)}).`,
    hint: 'It was asked for by --allow-parity-mismatch. Something in it computes other than it should, at a cost that may be other too.',
  };
}

function disagreement(folder: AnyFolder, device: Gpu, attempts: readonly Attempt[]): TokenworkError {
  const list = attempts.map(({ parity }) => `${parity.graphVariant} graph: ${describe(parity)}`).join('; ');
  return new TokenworkError(
    'device-parity',
    `On ${device}, the logits of ${folder.id} differ from the CPU's by more than ${folder.dtype} explains (${list}).`,
    "Update the GPU's driver, use another export or dtype, or run with --device cpu; --allow-parity-mismatch measures it as it is, and says so.",
  );
}

function describe({ difference, tolerance, worst }: DeviceParity): string {
  const share = difference === null ? 'no numbers' : `${(100 * difference).toPrecision(2)}%`;
  return `${share} where ${(100 * tolerance).toPrecision(2)}% is rounding, ${worst}`;
}
