import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import koffi from 'koffi';
import { log } from '../../core/log.js';
import type { Adapter } from '../../core/records/model.js';
import { vulkanAdapters } from '../vulkan-adapters.js';
import { findCudaRuntime } from './cuda-runtime.js';
import { cudaRemedy, leastDriver } from './installation.js';
import {
  type CudaMajor,
  cudaMajors,
  installedPackage,
  LLAMA_VERSION,
  type LlamaDevice,
  type PackageSight,
  packageFor,
  thisInstallation,
} from './packages.js';

/** The parts of a machine that decide which package fits. */
export interface GpuSight extends PackageSight {
  /** Whether the system's loader finds a library by name. */
  loads(name: string): boolean;
  vulkanAdapters(): Adapter[];
}

function thisMachine(): GpuSight {
  return { ...thisInstallation(), loads: loadsHere, vulkanAdapters };
}

/** The package of llama.cpp that fits a machine. */
export interface GpuSetup {
  /** `cpu` where nothing is to be had for a GPU. */
  device: LlamaDevice;
  reason: string;
  /** Packages that are not installed yet, with their version. */
  install: string[];
  /** What else is needed, and what would help. */
  needs: { what: string; remedy: string }[];
  /** What was looked at, a line each. */
  seen: string[];
}

/**
 * Decides for a device: CUDA where the driver and a runtime that it takes are there, else Vulkan where its driver
 * offers a GPU, or where NVIDIA's is there and only the loader lacks, else CUDA with what to install. `asked` is
 * taken as it is, on a machine without a GPU too.
 */
export function chooseSetup(asked: LlamaDevice | 'auto', sight: GpuSight = thisMachine()): GpuSetup {
  const { platform, arch } = sight;
  const seen = look(sight);
  const plan = (device: LlamaDevice, reason: string, cuda: CudaMajor = 13): GpuSetup => ({
    device,
    reason,
    install: missingPackages(device, cuda, sight),
    needs: device === 'cuda' ? cudaNeeds(cuda, seen, sight) : device === 'vulkan' ? vulkanNeeds(seen) : [],
    seen: seen.lines,
  });
  if (asked !== 'auto') {
    if (packageFor(asked, platform, arch) === null)
      return { ...plan('cpu', `there is no ${asked} package for ${platform}/${arch}`), install: [] };
    return plan(asked, 'asked for', asked === 'cuda' ? fittingCuda(seen, sight) : 13);
  }
  if (packageFor('metal', platform, arch) !== null) return plan('metal', 'the package of this Mac has it');
  if (packageFor('vulkan', platform, arch) === null)
    return plan('cpu', `there is no GPU package for ${platform}/${arch}`);
  const cuda = fittingCuda(seen, sight);
  const gpu = seen.adapters.find(({ kind }) => kind !== 'software');
  if (seen.driver !== null && seen.driver >= leastDriver[cuda] && seen.runtimes.has(cuda))
    return plan('cuda', `the driver and the libraries of CUDA ${cuda} are here`, cuda);
  if (gpu !== undefined) return plan('vulkan', `Vulkan offers ${gpu.name}`);
  if (seen.driver !== null && !seen.vulkanLoads && seen.nvidiaIcd)
    return plan('vulkan', 'the NVIDIA driver brings Vulkan, and only its loader lacks');
  if (seen.driver !== null) return plan('cuda', 'an NVIDIA driver without Vulkan is here', cuda);
  return plan('cpu', 'neither an NVIDIA driver nor a GPU that Vulkan offers was found');
}

interface Seen {
  /** The NVIDIA driver's branch, such as 580. */
  driver: number | null;
  runtimes: Set<CudaMajor>;
  vulkanLoads: boolean;
  adapters: Adapter[];
  nvidiaIcd: boolean;
  lines: string[];
}

function look(sight: GpuSight): Seen {
  const driver = driverVersion(sight);
  const linux = sight.platform === 'linux';
  const runtimes = new Set<CudaMajor>();
  const lines = [driver === null ? 'NVIDIA driver: none' : `NVIDIA driver: ${driver}`];
  for (const cuda of linux ? cudaMajors : []) {
    const { files, missing } = findCudaRuntime(cuda, sight.cuda);
    if (missing.length === 0) runtimes.add(cuda);
    lines.push(`CUDA ${cuda}: ${missing.length === 0 ? files.join(', ') : `without ${missing.join(', ')}`}`);
  }
  const vulkanLoads = !linux || sight.loads('libvulkan.so.1');
  const adapters = vulkanLoads ? sight.vulkanAdapters() : [];
  lines.push(
    vulkanLoads
      ? `Vulkan: ${adapters.map(({ name, kind }) => `${name} (${kind})`).join(', ') || 'no device'}`
      : 'Vulkan: no loader (libvulkan.so.1)',
  );
  const nvidiaIcd = ['usr/share/vulkan/icd.d', 'etc/vulkan/icd.d'].some((folder) =>
    existsSync(join(sight.cuda.root, folder, 'nvidia_icd.json')),
  );
  return {
    driver: driver === null ? null : Number.parseInt(driver, 10),
    ...{ runtimes, vulkanLoads, adapters, nvidiaIcd, lines },
  };
}

/** From nvidia-smi, or from the kernel's module where a container has no nvidia-smi. */
function driverVersion({ cuda: { ask, root } }: GpuSight): string | null {
  const printed = ask('nvidia-smi', '--query-gpu=driver_version', '--format=csv,noheader');
  const module = join(root, 'proc/driver/nvidia/version');
  const text = printed ?? (existsSync(module) ? readFileSync(module, 'utf8') : '');
  return /\b(\d{3,}\.\d+(?:\.\d+)?)\b/.exec(text)?.[1] ?? null;
}

/** The newest CUDA whose runtime is here and whose driver is new enough; without one, what the driver takes. */
function fittingCuda({ driver, runtimes }: Seen, { platform }: GpuSight): CudaMajor {
  const taken = cudaMajors.filter((cuda) => driver === null || driver >= leastDriver[cuda]);
  return (platform === 'linux' ? taken.find((cuda) => runtimes.has(cuda)) : undefined) ?? taken[0] ?? 12;
}

function cudaNeeds(cuda: CudaMajor, { driver, runtimes }: Seen, { platform }: GpuSight): GpuSetup['needs'] {
  const least = leastDriver[cuda];
  return [
    ...(driver === null
      ? [{ what: 'the NVIDIA driver', remedy: 'install it, and start a container with --gpus all' }]
      : driver < least
        ? [{ what: `an NVIDIA driver of ${least} or newer`, remedy: `update it: ${driver} is here` }]
        : []),
    ...(platform === 'linux' && !runtimes.has(cuda)
      ? [{ what: `the libraries of CUDA ${cuda}`, remedy: cudaRemedy(cuda) }]
      : []),
  ];
}

function vulkanNeeds({ vulkanLoads, adapters }: Seen): GpuSetup['needs'] {
  if (!vulkanLoads)
    return [{ what: 'the Vulkan loader (libvulkan.so.1)', remedy: 'sudo apt-get install libvulkan1' }];
  if (adapters.length > 0) return [];
  const remedy =
    'install the driver of your GPU (on Debian: sudo apt-get install mesa-vulkan-drivers, or nvidia-driver); a container of NVIDIA needs NVIDIA_DRIVER_CAPABILITIES=all';
  return [{ what: 'a Vulkan driver', remedy }];
}

/** The package of CUDA 12 holds no libllama, so that of the CPU goes with it. */
function missingPackages(device: LlamaDevice, cuda: CudaMajor, sight: GpuSight): string[] {
  const absent = (wanted: LlamaDevice) => {
    const name = packageFor(wanted, sight.platform, sight.arch, cuda);
    const there = installedPackage(wanted, sight, cuda)?.version === LLAMA_VERSION;
    return name === null || there ? [] : [`${name}@${LLAMA_VERSION}`];
  };
  const own = absent(device);
  return device === 'cpu' || (device === 'cuda' && cuda === 12)
    ? [...new Set([...absent('cpu'), ...own])]
    : own;
}

function loadsHere(name: string): boolean {
  try {
    koffi.load(name);
    return true;
  } catch (error) {
    log('library %s does not load: %s', name, error);
    return false;
  }
}
