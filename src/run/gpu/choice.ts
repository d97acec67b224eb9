import { existsSync } from 'node:fs';
import type { Warning } from '../../core/codes.js';
import { TokenworkError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { Adapter } from '../../core/result.js';
import type { Bytes } from '../../core/units.js';
import type { Device } from '../../engines/engine.js';
import { deviceLibraries } from '../../engines/onnx/gpu/libraries.js';
import { type ProbeAnswer, probeDevice } from '../../engines/onnx/gpu/probe.js';
import { backendVariable } from '../../engines/onnx/open-decoder.js';
import { type Nvml, openNvml } from '../../sensors/nvidia/nvml-library.js';

export type AskedDevice = Device | 'auto';

/** The device that a run computes on. */
export interface ChosenDevice {
  device: Device;
  /** Why this one, in words. */
  reason: string;
  /** Null on the CPU, and for a GPU that cannot be asked for its name. */
  adapter: Adapter | null;
  /** Memory of the GPU that nobody holds yet; null where it is not known, or of no GPU. */
  freeBytes: Bytes | null;
  warnings: Warning[];
}

/** Ways to look at the machine; for tests. */
export interface DeviceSight {
  /** Whether there may be a GPU, without loading a driver; else why not. */
  signs(): string | null;
  hasCudaProvider(): boolean;
  probe(device: Exclude<Device, 'cpu'>): Promise<ProbeAnswer>;
  openNvml(): Nvml;
}

const thisMachine: DeviceSight = {
  signs: missingSigns,
  hasCudaProvider: () =>
    deviceLibraries('cuda').some(({ name, found }) => found && name.includes('providers_cuda')),
  probe: (device) => probeDevice(device),
  openNvml: () => openNvml(),
};

/**
 * The device of a run. `auto` takes a GPU that opens, computes rightly and is not a CPU in disguise: through
 * CUDA where its provider is installed, else through WebGPU; else the CPU. A GPU asked for by name is taken,
 * software or not. Throws TokenworkError `device-unavailable`, `device-wrong` or `device-needs-native`.
 */
export async function chooseDevice(
  asked: AskedDevice,
  backend: 'auto' | 'native' | 'node',
  sight: DeviceSight = thisMachine,
): Promise<ChosenDevice> {
  const chosen = await choose(asked, backend, sight);
  log(
    'device: %s (%s), adapter %j, free memory %s bytes',
    chosen.device,
    chosen.reason,
    chosen.adapter,
    chosen.freeBytes,
  );
  return chosen;
}

async function choose(
  asked: AskedDevice,
  backend: 'auto' | 'native' | 'node',
  sight: DeviceSight,
): Promise<ChosenDevice> {
  const onCpu = (reason: string): ChosenDevice => ({
    device: 'cpu',
    reason,
    adapter: null,
    freeBytes: null,
    warnings: [],
  });
  if (asked === 'cpu') return onCpu('asked for');
  const nodeBinding = backend === 'node' || (backend === 'auto' && process.env[backendVariable] === 'node');
  if (asked === 'auto') {
    if (nodeBinding) return onCpu('the Node binding runs models on the CPU only');
    return automatic(sight, onCpu);
  }
  if (nodeBinding)
    throw new TokenworkError(
      'device-needs-native',
      `The Node binding was asked for, and it runs models on the CPU only.`,
      `Leave out --backend node (or ${backendVariable}), or run with --device cpu.`,
    );
  const { error, adapters } = await sight.probe(asked);
  if (error !== null) throw new TokenworkError(error.code, error.message, error.hint);
  return opened(asked, 'asked for', adapters[0] ?? null, sight);
}

async function automatic(sight: DeviceSight, onCpu: (reason: string) => ChosenDevice): Promise<ChosenDevice> {
  const missing = sight.signs();
  if (missing !== null) return onCpu(missing);
  const reasons: string[] = [];
  for (const device of sight.hasCudaProvider() ? (['cuda', 'webgpu'] as const) : (['webgpu'] as const)) {
    const { error, adapters } = await sight.probe(device);
    if (error !== null) reasons.push(error.message);
    else if (adapters[0]?.kind === 'software')
      reasons.push(`WebGPU runs on a CPU here (${adapters[0].name}).`);
    else return opened(device, 'a GPU that works is there', adapters[0] ?? null, sight);
  }
  return onCpu(`no GPU works here: ${reasons.join(' ')}`.replace(/\.$/, ''));
}

function opened(
  device: Exclude<Device, 'cpu'>,
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
  return { device, reason, adapter, freeBytes: nvidia?.freeBytes ?? shared ?? null, warnings };
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
