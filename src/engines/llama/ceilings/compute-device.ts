import koffi from 'koffi';
import { TokenworkError } from '../../../core/errors.js';
import type { Bytes } from '../../../core/units.js';
import type { LlamaDevice } from '../../engine.js';
import { cpuOf, llamaGpus } from '../devices.js';
import { type Address, llamaApi } from '../library.js';
import { startThreads } from '../threads.js';
import { type GgmlApi, ggmlApi } from './ggml.js';

/** A device of ggml's, opened to compute graphs of ours on. */
export interface ComputeDevice {
  ggml: GgmlApi;
  device: Address;
  backEnd: Address;
  /** Where weights may lie, what llama.cpp would try first in front; the last takes anything. */
  weightPlaces: readonly Address[];
  /** Memory that nobody holds yet; null where the device does not tell. */
  freeBytes: Bytes | null;
  largestBufferBytes: Bytes;
  close(): void;
}

/**
 * Opens the device that llama.cpp would compute on. Throws TokenworkError `llama-unavailable`,
 * `device-unavailable` or `engine-failed`.
 */
export function openComputeDevice(kind: LlamaDevice, threads: number): ComputeDevice {
  const api = llamaApi();
  const ggml = ggmlApi();
  const gpu = kind === 'cpu' ? null : llamaGpus(kind)[0]!;
  const device = gpu?.address ?? cpuOf(api);
  const backEnd = device && ggml.openDevice(device, null);
  if (!device || !backEnd)
    throw new TokenworkError('engine-failed', `ggml does not open ${kind}.`, 'See `tokenwork doctor`.');
  const registered = api.deviceBackEnd(device);
  const own = (name: string, result: string, parameters: string[]) => {
    const address = api.backEndFunction(registered, name);
    return address === null ? null : koffi.decode(address, koffi.proto(result, parameters));
  };
  const plain = ggml.bufferType(device);
  const opened = {
    ...{ ggml, device, backEnd },
    freeBytes: gpu?.freeBytes || null,
    largestBufferBytes: Number(ggml.largestBuffer(plain)),
  };
  if (gpu !== null) return { ...opened, weightPlaces: [plain], close: () => ggml.freeBackEnd(backEnd) };
  const pool = startThreads(api, threads);
  own('ggml_backend_set_n_threads', 'void', ['void *', 'int'])?.(backEnd, threads);
  if (pool.pool !== null)
    own('ggml_backend_cpu_set_threadpool', 'void', ['void *', 'void *'])?.(backEnd, pool.pool);
  const rearranged: Address | null = own('ggml_backend_dev_get_extra_bufts', 'void *', ['void *'])?.(device);
  return {
    ...opened,
    weightPlaces: [...(rearranged === null ? [] : pointersAt(rearranged)), plain],
    close() {
      ggml.freeBackEnd(backEnd);
      pool.close();
    },
  };
}

/** The pointers of an array that a null one ends. */
function pointersAt(address: Address): Address[] {
  const found: Address[] = [];
  for (let index = 0; ; index++) {
    const next = BigInt(koffi.decode(address, 8 * index, 'uint64'));
    if (next === 0n) return found;
    found.push(next);
  }
}
