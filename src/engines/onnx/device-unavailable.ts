import { TokenworkError } from '../../core/errors.js';
import type { Device } from '../engine.js';
import { type DeviceLibrary, deviceLibraries } from './device-libraries.js';

const names: Record<Exclude<Device, 'cpu'>, string> = { webgpu: 'WebGPU', cuda: 'CUDA' };

/**
 * TokenworkError `device-unavailable` for a GPU that does not open; `message` is ONNX Runtime's. Names what
 * is missing by file, and the command that helps.
 */
export function deviceUnavailable(
  device: Exclude<Device, 'cpu'>,
  message: string,
  libraries: readonly DeviceLibrary[] = deviceLibraries(device),
): TokenworkError {
  const missing = libraries.filter(({ found }) => !found);
  const remedies = [...new Set(missing.map(({ remedy }) => remedy))];
  return new TokenworkError(
    'device-unavailable',
    missing.length > 0
      ? `${names[device]} does not open: ${missing.map(({ name, part }) => `${name} (${part})`).join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing.`
      : `${names[device]} does not open: ${shortened(message)}`,
    `${remedies.length > 0 ? `Do this: ${remedies.join('; ')}.` : otherwise(device)} Or run with --device cpu; \`tokenwork doctor\` says what is here.`,
    { cause: new Error(message) },
  );
}

/** Without the source file and the condition that ONNX Runtime puts before what happened. */
function shortened(message: string): string {
  const said = message
    .trim()
    .split('\n')[0]!
    .replace(/^.* was false\. /, '');
  return /[.!]$/.test(said) ? said : `${said}.`;
}

function otherwise(device: Exclude<Device, 'cpu'>): string {
  if (device === 'cuda')
    return process.platform === 'linux' && process.arch === 'x64'
      ? 'See whether nvidia-smi lists the GPU; the CUDA provider needs a driver for CUDA 12 (525 or newer).'
      : 'onnxruntime-node brings a CUDA provider for Linux on x64 only: use --device webgpu.';
  return process.platform === 'linux'
    ? 'No Vulkan driver offers a device: install the driver of your GPU (on Debian: sudo apt-get install mesa-vulkan-drivers, or nvidia-driver). Without a GPU, scripts/software-vulkan.sh sets up a software one.'
    : "Update the GPU's driver.";
}
