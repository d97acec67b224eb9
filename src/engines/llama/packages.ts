import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { log } from '../../core/log.js';
import { cacheDirectory } from '../../models/cache-directory.js';
import { type CudaRuntime, type CudaSight, findCudaRuntime, thisSystem } from './cuda-runtime.js';

/**
 * The version of the packages that hold llama.cpp's libraries, and the only one taken: C structs change from one
 * release of llama.cpp to the next.
 */
export const LLAMA_VERSION = '3.22.1';

/** The ways in which llama.cpp computes. */
export type LlamaDevice = 'cpu' | 'cuda' | 'vulkan' | 'metal';

/** Versions of CUDA that there are builds for, the better one first; each takes drivers of its own age. */
export const cudaMajors = [13, 12] as const;
export type CudaMajor = (typeof cudaMajors)[number];

const scope = '@node-llama-cpp/';
const basePackages: Partial<Record<string, string>> = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'darwin-arm64': 'mac-arm64-metal',
  'darwin-x64': 'mac-x64',
  'win32-x64': 'win-x64',
  'win32-arm64': 'win-arm64',
};

/**
 * The npm package with llama.cpp's back end for `device`, or null where none is published. `cuda` counts for that
 * device only: the package of CUDA 12 holds a back end alone, and needs the libraries of another package.
 */
export function packageFor(
  device: LlamaDevice,
  platform: string = process.platform,
  arch: string = process.arch,
  cuda: CudaMajor = 13,
): string | null {
  const base = basePackages[`${platform}-${arch}`];
  if (base === undefined) return null;
  if (device === 'metal') return base.endsWith('-metal') ? scope + base : null;
  if (device === 'cpu') return scope + base;
  if (base !== 'linux-x64' && base !== 'win-x64') return null;
  if (device === 'vulkan') return `${scope}${base}-vulkan`;
  return `${scope}${base}-cuda${cuda === 13 ? '' : '-ext'}`;
}

/** The files of llama.cpp for one device. */
export interface LlamaFiles {
  /** Holds libllama, libggml and a back end for each kind of CPU. */
  folder: string;
  /** Of the packages; to be refused unless it is `LLAMA_VERSION`. */
  version: string;
  llama: string;
  ggml: string;
  ggmlBase: string;
  /** The GPU's back end, for `ggml_backend_load`; null for the CPU. */
  backEnd: string | null;
  /** Libraries to load before the back end, in this order, as the system's loader would not find them. */
  preload: string[];
}

/** A package that is installed; `bins` holds its libraries. */
export interface InstalledPackage {
  name: string;
  version: string;
  bins: string;
}

/** Where packages lie, and where CUDA's libraries may. */
export interface PackageSight {
  /** `node_modules` folders, the nearest first. */
  roots: readonly string[];
  cuda: CudaSight;
  platform: string;
  arch: string;
}

export function thisInstallation(): PackageSight {
  const near = createRequire(import.meta.url).resolve.paths(scope) ?? [];
  return {
    roots: [...near, join(packageCache(), 'node_modules')],
    cuda: thisSystem(),
    platform: process.platform,
    arch: process.arch,
  };
}

/** The folder that `npm run setup:gpu` installs into: `npm ci`, which empties node_modules, spares it. */
export function packageCache(): string {
  return join(cacheDirectory(), 'llama', LLAMA_VERSION);
}

/** The nearest installation of the package of `device`. */
export function installedPackage(
  device: LlamaDevice,
  sight: PackageSight = thisInstallation(),
  cuda: CudaMajor = 13,
): InstalledPackage | null {
  const name = packageFor(device, sight.platform, sight.arch, cuda);
  if (name === null) return null;
  for (const root of sight.roots) {
    const folder = join(root, name);
    const bins = join(folder, 'bins');
    if (!existsSync(join(folder, 'package.json')) || !existsSync(bins)) continue;
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
    const [inner] = readdirSync(bins);
    if (inner !== undefined) return { name, version, bins: join(bins, inner) };
  }
  return null;
}

/**
 * llama.cpp for `device`, as it is installed; null where it is not. The back end of a GPU is loaded into the
 * libraries of the CPU's package, whose ggml is the same file, or into those of its own package without that.
 */
export function findLlama(device: LlamaDevice, sight: PackageSight = thisInstallation()): LlamaFiles | null {
  const base = installedPackage('cpu', sight);
  if (device === 'cpu') return base === null ? null : libraries(base, sight.platform);
  const found = device === 'cuda' ? cudaBackEnd(sight) : plainBackEnd(device, sight);
  if (found === null) return null;
  const { holder, backEnd, preload } = found;
  const files =
    base?.version === holder.version ? libraries(base, sight.platform) : libraries(holder, sight.platform);
  log('llama.cpp for %s: %s with %s', device, files?.folder, backEnd);
  return files && { ...files, backEnd, preload };
}

interface BackEnd {
  holder: InstalledPackage;
  backEnd: string;
  preload: string[];
}

function plainBackEnd(device: 'vulkan' | 'metal', sight: PackageSight): BackEnd | null {
  const holder = installedPackage(device, sight);
  const backEnd = holder && backEndIn(holder.bins, device, sight.platform);
  return holder && backEnd ? { holder, backEnd, preload: [] } : null;
}

/** The one whose runtime is there; without any, the one that is installed. */
function cudaBackEnd(sight: PackageSight): BackEnd | null {
  const installed = cudaMajors.flatMap((cuda) => {
    const holder = installedPackage('cuda', sight, cuda);
    const bins = holder && (cuda === 13 ? holder.bins : join(holder.bins, 'fallback'));
    const backEnd = bins && backEndIn(bins, 'cuda', sight.platform);
    // Windows finds its own through PATH.
    const runtime =
      sight.platform === 'linux' ? findCudaRuntime(cuda, sight.cuda) : { files: [], missing: [] };
    return holder && backEnd ? [{ holder, backEnd, runtime }] : [];
  });
  const complete = ({ runtime }: { runtime: CudaRuntime }) => runtime.missing.length === 0;
  const chosen = installed.find(complete) ?? installed[0];
  return chosen === undefined ? null : { ...chosen, preload: chosen.runtime.files };
}

function backEndIn(bins: string, device: LlamaDevice, platform: string): string | null {
  const file = join(bins, platform === 'win32' ? `ggml-${device}.dll` : `libggml-${device}.so`);
  return existsSync(file) ? file : null;
}

/** libllama is named with the release and the device: libllama.vulkan.v0.5.0.so. */
function libraries({ bins, version }: InstalledPackage, platform: string): LlamaFiles | null {
  const files = readdirSync(bins);
  const extension = { win32: 'dll', darwin: 'dylib' }[platform] ?? 'so';
  const prefix = platform === 'win32' ? '' : 'lib';
  const named = (name: string) =>
    files.find((file) => file.startsWith(`${prefix}${name}.`) && file.endsWith(`.${extension}`));
  const [llama, ggml, ggmlBase] = [named('llama'), named('ggml'), named('ggml-base')];
  if (llama === undefined || ggml === undefined || ggmlBase === undefined) return null;
  return {
    folder: bins,
    version,
    llama: join(bins, llama),
    ggml: join(bins, ggml),
    ggmlBase: join(bins, ggmlBase),
    backEnd: null,
    preload: [],
  };
}
