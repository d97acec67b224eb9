import { TokenworkError } from '../../../core/errors.js';
import type { OnnxDevice } from '../../engine.js';
import { type DeviceLibrary, deviceLibraries } from './libraries.js';

const names: Record<Exclude<OnnxDevice, 'cpu'>, string> = { webgpu: 'WebGPU', cuda: 'CUDA' };

/**
 * TokenworkError `device-unavailable` for a GPU that does not open; `message` is ONNX Runtime's. Names what
 * is missing by file, and the command that helps.
 */
export function deviceUnavailable(
  device: Exclude<OnnxDevice, 'cpu'>,
  message: string,
  libraries: readonly DeviceLibrary[] = deviceLibraries(device),
): TokenworkError {
  const missing = libraries.filter(({ found }) => !found);
  const wanted = [...new Set(missing.map(({ remedy }) => remedy))];
  return new TokenworkError(
    'device-unavailable',
    missing.length > 0
      ? `${names[device]} does not open: ${missing.map(({ name, part }) => `${name} (${part})`).join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing.`
      : `${names[device]} does not open: ${shortened(message)}`,
    `${wanted.length > 0 ? `Do this: ${wanted.join('; ')}.` : (knownRemedy(message) ?? otherwise(device))} Or run with --device cpu; \`tokenwork doctor\` says what is here.`,
    { cause: new Error(message) },
  );
}

/** Messages of CUDA and cuDNN when all libraries are there, and what helps. */
const remedies: [says: RegExp, remedy: string][] = [
  [
    /CUDA failure 35\b|driver version is insufficient/i,
    'The NVIDIA driver is older than the CUDA libraries found here: update it (CUDA 12 needs 525 or newer; a GPU of the Blackwell generation 570), or put CUDA libraries of its own version first in LD_LIBRARY_PATH.',
  ],
  [
    /no kernel image is available|CUDA failure 209\b|unsupported toolchain|CUDA failure 222\b/i,
    'The CUDA provider of ONNX Runtime has no code for a GPU of this generation: use --device webgpu.',
  ],
  [
    /CUDA failure 80[34]\b|system has unsupported display driver|forward compatibility was attempted/i,
    'The NVIDIA driver and its libraries are of different versions, as after an update: restart the machine; in a container, start it with --gpus all and mount no libcuda.so of another version.',
  ],
  [
    /CUDA failure 100\b|no CUDA-capable device/i,
    'CUDA sees no GPU: see whether nvidia-smi lists one, whether CUDA_VISIBLE_DEVICES hides it, and start a container with --gpus all.',
  ],
  [
    /cudnn/i,
    'cuDNN does not start: it comes in several libraries (libcudnn_graph, libcudnn_ops …), which must all be of one version, 9.x for CUDA 12, in a folder that LD_LIBRARY_PATH names: pip install nvidia-cudnn-cu12.',
  ],
];

const knownRemedy = (message: string): string | null =>
  remedies.find(([says]) => says.test(message))?.[1] ?? null;

/**
 * Without the source file, function and condition that ONNX Runtime puts before what happened, nor the place
 * in its source that CUDA's failures name behind it.
 */
function shortened(message: string): string {
  const said = message
    .trim()
    .split('\n')[0]!
    .replace(/^.* was false\. /, '')
    .replace(/^.*\b(CUDA|CUDNN|CUBLAS) failure (\d+): ([^;]*?)\s*;.*$/, '$1 failure $2: $3');
  return /[.!]$/.test(said) ? said : `${said}.`;
}

function otherwise(device: Exclude<OnnxDevice, 'cpu'>): string {
  if (device === 'cuda')
    return process.platform === 'linux' && process.arch === 'x64'
      ? 'See whether nvidia-smi lists the GPU; the CUDA provider needs a driver for CUDA 12 (525 or newer).'
      : 'onnxruntime-node brings a CUDA provider for Linux on x64 only: use --device webgpu.';
  return process.platform === 'linux'
    ? 'No Vulkan driver offers a device: install the driver of your GPU (on Debian: sudo apt-get install mesa-vulkan-drivers, or nvidia-driver). Without a GPU, scripts/software-vulkan.sh sets up a software one.'
    : "Update the GPU's driver.";
}
