import koffi from 'koffi';
import type { OnnxDevice } from '../../engine.js';
import { deviceUnavailable } from '../gpu/unavailable.js';
import { type Address, check, type OrtApi, ortApi } from './api.js';

type Gpu = Exclude<OnnxDevice, 'cpu'>;

/** ONNX Runtime's names of each GPU's provider and memory. */
export const providers: Record<Gpu, { name: string; memory: string }> = {
  webgpu: { name: 'WebGpuExecutionProvider', memory: 'WebGPU_Buf' },
  cuda: { name: 'CUDAExecutionProvider', memory: 'Cuda' },
};

/** Names of the providers this build of ONNX Runtime knows; whether they open is another matter. */
export function builtInProviders(): string[] {
  const api = ortApi();
  const out = new BigUint64Array(1);
  const count = new Int32Array(1);
  check(api, api.getAvailableProviders(out, count), 'listing its providers');
  const names: string[] = koffi.decode(out[0], 'char *', count[0]!);
  check(api, api.releaseAvailableProviders(out[0]!, count[0]!), 'listing its providers');
  return names;
}

/**
 * Puts the GPU first among a session's providers; what it does not run falls back to the CPU. Throws
 * TokenworkError `device-unavailable`, naming the library that is missing.
 */
export function appendProvider(api: OrtApi, options: Address, device: Gpu): void {
  const status =
    device === 'webgpu'
      ? api.appendProvider(options, 'WebGPU', new BigUint64Array(1), new BigUint64Array(1), 0)
      : appendCuda(api, options);
  if (status === null) return;
  const message = api.getErrorMessage(status);
  api.releaseStatus(status);
  throw deviceUnavailable(device, message);
}

function appendCuda(api: OrtApi, options: Address): Address | null {
  const out = new BigUint64Array(1);
  const made = api.createCudaProviderOptions(out);
  if (made !== null) return made;
  const cudaOptions = out[0]!;
  try {
    return api.appendCudaProvider(options, cudaOptions);
  } finally {
    api.releaseCudaProviderOptions(cudaOptions);
  }
}
