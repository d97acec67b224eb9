import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import koffi from 'koffi';
import { log } from '../../../core/log.js';
import type { OnnxDevice } from '../../engine.js';
import { libraryPath } from '../native/library.js';

/** A native library that a GPU's provider needs. */
export interface DeviceLibrary {
  name: string;
  /** The thing that it belongs to, in words. */
  part: string;
  found: boolean;
  /** The command that installs it. */
  remedy: string;
}

/** Whether the system's loader finds a library by name. */
export type FindsLibrary = (name: string) => boolean;

const cudaPackages = ['cuda-runtime', 'cublas', 'cufft', 'curand', 'cudnn'].map(
  (name) => `nvidia-${name}-cu12`,
);
const cudaRemedy = `pip install ${cudaPackages.join(' ')}, and name their lib folders in LD_LIBRARY_PATH; or from NVIDIA's repository: sudo apt-get install cuda-libraries-12-8 libcudnn9-cuda-12`;
const driverRemedy =
  'install the NVIDIA driver (on Debian: sudo apt-get install nvidia-driver), and start a container with --gpus all';

/** Everything the CUDA provider of ONNX Runtime 1.30 links against, by the names its loader looks for. */
const cudaLibraries: Omit<DeviceLibrary, 'found'>[] = [
  { name: 'libcuda.so.1', part: 'NVIDIA driver', remedy: driverRemedy },
  ...['libcudart.so.12', 'libcublas.so.12', 'libcublasLt.so.12', 'libcufft.so.11', 'libcurand.so.10'].map(
    (name) => ({ name, part: 'CUDA 12', remedy: cudaRemedy }),
  ),
  { name: 'libcudnn.so.9', part: 'cuDNN 9', remedy: cudaRemedy },
];
const providerFiles = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'];

/** The libraries that `device` needs here, and which are there. Empty where the system brings them. */
export function deviceLibraries(device: OnnxDevice, finds: FindsLibrary = loads): DeviceLibrary[] {
  if (process.platform !== 'linux') return [];
  const look = (library: Omit<DeviceLibrary, 'found'>) => ({ ...library, found: finds(library.name) });
  if (device === 'webgpu')
    return [look({ name: 'libvulkan.so.1', part: 'Vulkan', remedy: 'sudo apt-get install libvulkan1' })];
  if (device === 'cpu') return [];
  const folder = dirname(libraryPath());
  return [
    ...providerFiles.map((name) => ({
      name,
      part: 'CUDA provider of ONNX Runtime',
      remedy: 'npm run setup:gpu -- --onnx-cuda',
      found: existsSync(join(folder, name)),
    })),
    ...cudaLibraries.map(look),
  ];
}

/** Loads the library, as ONNX Runtime will: a file of that name need not be one for this machine. */
function loads(name: string): boolean {
  try {
    koffi.load(name);
    log('library %s loads', name);
    return true;
  } catch (error) {
    log('library %s does not load: %s', name, error);
    return false;
  }
}
