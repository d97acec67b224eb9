import { existsSync } from 'node:fs';
import type { Warning } from '../../core/codes.js';
import { TokenworkError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { Adapter } from '../../core/records/model.js';
import type { Bytes } from '../../core/units.js';
import type { Device, EngineName } from '../../engines/engine.js';
import { probeLlama } from '../../engines/llama/installation.js';
import { findLlama } from '../../engines/llama/packages.js';
import { deviceLibraries } from '../../engines/onnx/gpu/libraries.js';
import { type ProbeAnswer, probeDevice } from '../../engines/onnx/gpu/probe.js';
import { backendVariable } from '../../engines/onnx/open-decoder.js';
import { computesOn } from '../../engines/open.js';
import { type Nvml, openNvml } from '../../sensors/nvidia/nvml-library.js';

export type AskedDevice = Device | 'auto';

/** The device that a run computes on. */
export interface ChosenDevice {
  device: Device;
  /** The engine that runs models which either can: recipes, which are built for it. */
  engine: EngineName;
  /** Why this one, in words. */
  reason: string;
  /** Null on the CPU, and for a GPU that cannot be asked for its name. */
  adapter: Adapter | null;
  /** Memory of the GPU that nobody holds yet; null where it is not known, or of no GPU. */
  freeBytes: Bytes | null;
  warnings: Warning[];
}

/** What a run asks of its device. */
export interface DeviceWish {
  device: AskedDevice;
  engine: EngineName | 'auto';
  backend: 'auto' | 'native' | 'node';
  /** Engines that the run's models need, as their files are of one format only. */
  needed: ReadonlySet<EngineName>;
}

type Gpu = Exclude<Device, 'cpu'>;
/** A GPU through one interface, and the engine that computes there. */
interface Road {
  device: Gpu;
  engine: EngineName;
}

/** All there are, the fastest first: kernels of the GPU's own maker before those of everyone. */
const roads: readonly Road[] = [
  { device: 'cuda', engine: 'llama' },
  { device: 'metal', engine: 'llama' },
  { device: 'cuda', engine: 'onnx' },
  { device: 'vulkan', engine: 'llama' },
  { device: 'webgpu', engine: 'onnx' },
];

/** Ways to look at the machine; for tests. */
export interface DeviceSight {
  /** Whether there may be a GPU, without loading a driver; else why not. */
  signs(): string | null;
  /** Whether the files that a road takes are installed. */
  isInstalled(road: Road): boolean;
  probe(road: Road): Promise<ProbeAnswer>;
  openNvml(): Nvml;
}

const thisMachine: DeviceSight = {
  signs: missingSigns,
  isInstalled: ({ device, engine }) => {
    if (engine === 'llama') return findLlama(device as Exclude<typeof device, 'webgpu'>) !== null;
    return device !== 'cuda' || hasCudaProvider();
  },
  probe: ({ device, engine }) =>
    engine === 'llama'
      ? openedByLlama(device as Exclude<typeof device, 'webgpu'>)
      : probeDevice(device as 'cuda' | 'webgpu'),
  openNvml: () => openNvml(),
};

async function openedByLlama(device: Exclude<Gpu, 'webgpu'>): Promise<ProbeAnswer> {
  const { name, available, adapter, hint } = await probeLlama(device);
  if (available) return { error: null, adapters: adapter ? [adapter] : [] };
  const error = {
    code: 'device-unavailable' as const,
    message: `${name} opens no GPU. ${hint ?? ''}`.trim(),
    hint: '`npm run setup:gpu` installs what fits and says what is missing; `tokenwork doctor` shows it.',
  };
  return { error, adapters: [] };
}

function hasCudaProvider(): boolean {
  return deviceLibraries('cuda').some(({ name, found }) => found && name.includes('providers_cuda'));
}

/**
 * The device of a run, and the engine of what either can run. `auto` takes a GPU that opens, computes rightly and
 * is not a CPU in disguise, by the fastest road that is installed; else the CPU. A GPU asked for by name is taken,
 * software or not. Throws TokenworkError `bad-option`, `device-unavailable`, `device-wrong` or `device-needs-native`.
 */
export async function chooseDevice(
  wish: DeviceWish,
  sight: DeviceSight = thisMachine,
): Promise<ChosenDevice> {
  const chosen = await choose(wish, sight);
  log(
    'device: %s with %s (%s), adapter %j, free memory %s bytes',
    chosen.device,
    chosen.engine,
    chosen.reason,
    chosen.adapter,
    chosen.freeBytes,
  );
  return chosen;
}

async function choose(wish: DeviceWish, sight: DeviceSight): Promise<ChosenDevice> {
  const { device: asked, backend } = wish;
  const onCpu = (reason: string): ChosenDevice => ({
    device: 'cpu',
    engine: wish.engine === 'auto' ? 'onnx' : wish.engine,
    reason,
    adapter: null,
    freeBytes: null,
    warnings: [],
  });
  const foreign = [...wish.needed].find((needed) => wish.engine !== 'auto' && needed !== wish.engine);
  if (foreign !== undefined)
    throw new TokenworkError(
      'bad-option',
      `--engine ${wish.engine} was asked for, and ${models[foreign]} were named.`,
      'Leave out --engine: a model with weights of its own runs in the engine of its format.',
    );
  if (asked === 'cpu') return onCpu('asked for');
  const nodeBinding = backend === 'node' || (backend === 'auto' && process.env[backendVariable] === 'node');
  const open = roads.filter((road) => isOpenTo(road, wish));
  const unlessBound = nodeBinding ? open.filter(({ engine }) => engine !== 'onnx') : open;
  if (asked === 'auto') {
    if (unlessBound.length === 0)
      return onCpu(
        nodeBinding
          ? 'the Node binding runs models on the CPU only'
          : 'no GPU is computed on by all the engines that the models need',
      );
    return automatic(unlessBound, sight, onCpu);
  }
  const named = open.filter(({ device }) => device === asked);
  if (named.length === 0) throw refused(wish);
  const usable = unlessBound.filter(({ device }) => device === asked);
  if (usable.length === 0)
    throw new TokenworkError(
      'device-needs-native',
      `The Node binding was asked for, and it runs models on the CPU only.`,
      `Leave out --backend node (or ${backendVariable}), or run with --device cpu.`,
    );
  const road = usable.find((one) => sight.isInstalled(one)) ?? usable.at(-1)!;
  const { error, adapters } = await sight.probe(road);
  if (error !== null) throw new TokenworkError(error.code, error.message, error.hint);
  return opened(road, 'asked for', adapters[0] ?? null, sight);
}

/** Whether a road's engine is the one asked for, and all the models' engines compute on its device. */
function isOpenTo({ device, engine }: Road, wish: DeviceWish): boolean {
  const asked = wish.engine === 'auto' || wish.engine === engine;
  const runs = [...wish.needed].every((needed) => computesOn(needed, device));
  // Where the models need one engine, a device of both is taken through it.
  return asked && runs && (wish.needed.size !== 1 || wish.needed.has(engine));
}

function refused({ device, engine, needed }: DeviceWish): TokenworkError {
  const what =
    engine === 'auto'
      ? `${[...needed].map((name) => models[name]).join(' and ')} do not run on ${device}`
      : `--engine ${engine} does not compute on ${device}`;
  return new TokenworkError(
    'bad-option',
    `${what.charAt(0).toUpperCase()}${what.slice(1)}.`,
    'llama.cpp runs GGUF models on cpu, cuda, vulkan and metal; ONNX Runtime runs ONNX models on cpu, cuda and webgpu. Recipes are built for either.',
  );
}

const models: Record<EngineName, string> = { onnx: 'ONNX models', llama: 'GGUF models' };

async function automatic(
  open: readonly Road[],
  sight: DeviceSight,
  onCpu: (reason: string) => ChosenDevice,
): Promise<ChosenDevice> {
  const missing = sight.signs();
  if (missing !== null) return onCpu(missing);
  const reasons: string[] = [];
  for (const road of open.filter((one) => sight.isInstalled(one))) {
    const { error, adapters } = await sight.probe(road);
    if (error !== null) reasons.push(error.message);
    else if (adapters[0]?.kind === 'software')
      reasons.push(`${road.device} runs on a CPU here (${adapters[0].name}).`);
    else return opened(road, 'a GPU that works is there', adapters[0] ?? null, sight);
  }
  if (reasons.length === 0) reasons.push('nothing that computes on one is installed: npm run setup:gpu');
  return onCpu(`no GPU works here: ${reasons.join(' ')}`.replace(/\.$/, ''));
}

function opened(
  { device, engine }: Road,
  reason: string,
  seen: Adapter | null,
  sight: DeviceSight,
): ChosenDevice {
  const nvidia = nvidiaGpu(seen, device, sight);
  const adapter = seen ?? nvidia?.adapter ?? null;
  const warnings: Warning[] = [];
  if (adapter?.kind === 'software')
    warnings.push({
      code: 'software-adapter',
      message: `${adapter.name} is a CPU that acts as a GPU.`,
      hint: 'Its figures say that the GPU path works, and nothing about any GPU.',
    });
  // Half of the machine's memory, which a software adapter shares with everything else.
  const shared = adapter?.kind === 'software' ? (adapter.memoryBytes ?? 0) / 2 : adapter?.memoryBytes;
  return { device, engine, reason, adapter, freeBytes: nvidia?.freeBytes ?? shared ?? null, warnings };
}

/** The first NVIDIA GPU, where that is the one the provider takes. */
function nvidiaGpu(
  seen: Adapter | null,
  device: Device,
  sight: DeviceSight,
): { adapter: Adapter; freeBytes: Bytes | null } | null {
  if (device !== 'cuda' && seen !== null && !/nvidia/i.test(seen.name)) return null;
  let nvml: Nvml;
  try {
    nvml = sight.openNvml();
  } catch (error) {
    log('NVML: %s', error);
    return null; // No NVIDIA driver, or one that answers nothing: `doctor` says which.
  }
  try {
    const gpu = nvml.gpus[0];
    if (gpu === undefined) return null;
    const { totalBytes, usedBytes } = gpu.memory();
    const adapter: Adapter = {
      name: gpu.name,
      kind: 'discrete',
      // Of a GPU split by MIG, an instance has a part that only it knows.
      memoryBytes: gpu.mig ? null : totalBytes,
      largestBufferBytes: null,
      driver: nvml.driverVersion,
    };
    return { adapter, freeBytes: gpu.mig ? null : totalBytes - usedBytes };
  } catch (error) {
    log('memory of the GPU: %s', error);
    return null; // A GPU without memory figures: what the adapter says must do.
  } finally {
    nvml.close();
  }
}

function missingSigns(): string | null {
  if (process.platform !== 'linux') return null;
  const nodes = ['/dev/nvidiactl', '/dev/dri/renderD128', '/dev/dxg', '/dev/kfd'];
  return nodes.some((path) => existsSync(path))
    ? null
    : `there is no GPU in sight (none of ${nodes.join(', ')})`;
}
