import { TokenworkError } from '../../core/errors.js';
import type { Adapter } from '../../core/records/model.js';
import type { LlamaDevice } from '../engine.js';
import { loadPinned } from '../pinned-library.js';
import { vulkanAdapters } from '../vulkan-adapters.js';
import { type Address, type LlamaApi, llamaApi } from './library.js';
import { findLlama } from './packages.js';

/** The names that llama.cpp's back ends register under. */
const backEnds: Record<LlamaDevice, string> = { cpu: 'CPU', cuda: 'CUDA', vulkan: 'Vulkan', metal: 'MTL' };
/** `enum ggml_backend_dev_type`. */
const types = ['cpu', 'discrete', 'integrated', 'accelerator', 'meta'] as const;

/** A GPU as llama.cpp sees it. */
export interface LlamaGpu {
  address: Address;
  adapter: Adapter;
  /** Memory that nobody holds yet, in bytes. */
  freeBytes: number;
}

/**
 * The GPUs of a kind, the one that is taken first; their back end is loaded where it was not. Throws
 * TokenworkError `llama-unavailable`, or `device-unavailable` where its package is not installed or it opens none.
 */
export function llamaGpus(device: Exclude<LlamaDevice, 'cpu'>): LlamaGpu[] {
  const api = llamaApi();
  const found = gpusOf(api, device);
  if (found.length > 0) return found;
  const files = findLlama(device);
  if (files?.backEnd === null || files === null)
    throw unavailable(`llama.cpp's back end for ${device} is not installed`);
  if (device === 'vulkan') showSoftwareGpu();
  for (const file of files.preload) loadPinned(file);
  if (api.loadBackEnd(files.backEnd) === null)
    throw unavailable(`llama.cpp's back end for ${device} does not load from ${files.backEnd}`);
  const gpus = gpusOf(api, device);
  if (gpus.length === 0) throw unavailable(`llama.cpp sees no GPU through ${device}`);
  return gpus;
}

/** ggml passes over a CPU that acts as a Vulkan device, unless it is asked for by number. */
function showSoftwareGpu(): void {
  const adapters = vulkanAdapters();
  const isAll = adapters.length > 0 && adapters.every(({ kind }) => kind === 'software');
  if (isAll) process.env.GGML_VK_VISIBLE_DEVICES ??= '0';
}

function unavailable(why: string): TokenworkError {
  return new TokenworkError(
    'device-unavailable',
    `${why.charAt(0).toUpperCase()}${why.slice(1)}.`,
    'Run `npm run setup:gpu`, which installs what fits and says what is missing; `tokenwork doctor` shows it.',
  );
}

/** The CPU as llama.cpp sees it; null where no variant of its back end loads. */
export function cpuOf(api: LlamaApi): Address | null {
  return addressesOf(api, 'cpu')[0] ?? null;
}

function gpusOf(api: LlamaApi, device: Exclude<LlamaDevice, 'cpu'>): LlamaGpu[] {
  return addressesOf(api, device).map((address) => describe(api, address));
}

function addressesOf(api: LlamaApi, device: LlamaDevice): Address[] {
  return Array.from({ length: Number(api.deviceCount()) }, (_, index) => api.device(index)).filter(
    (address) => api.backEndName(api.deviceBackEnd(address)) === backEnds[device],
  );
}

function describe(api: LlamaApi, address: Address): LlamaGpu {
  const [free, total] = [new BigUint64Array(64), new BigUint64Array(64)];
  api.deviceMemory(address, free, total);
  const name = api.deviceDescription(address).trim();
  const type = types[api.deviceType(address)];
  return {
    address,
    freeBytes: Number(free[0]),
    adapter: {
      name,
      // ggml calls a software renderer an integrated GPU or a discrete one; only its name tells.
      kind: isSoftware(name) ? 'software' : type === 'discrete' || type === 'integrated' ? type : 'unknown',
      memoryBytes: Number(total[0]),
      largestBufferBytes: null,
      driver: null,
    },
  };
}

function isSoftware(name: string): boolean {
  return /llvmpipe|lavapipe|swiftshader/i.test(name);
}
