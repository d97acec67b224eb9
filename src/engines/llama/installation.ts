import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { messageOf } from '../../core/errors.js';
import { log } from '../../core/log.js';
import { adapterSchema } from '../../core/records/model.js';
import { askBounded } from '../../sensors/bounded-child.js';
import { withoutAnswer } from '../child-failure.js';
import type { BackEndRecord, LibraryRecord } from '../onnx/back-ends.js';
import { findCudaRuntime } from './cuda-runtime.js';
import {
  type CudaMajor,
  cudaMajors,
  findLlama,
  LLAMA_VERSION,
  type LlamaDevice,
  type LlamaFiles,
  type PackageSight,
  packageFor,
  thisInstallation,
} from './packages.js';

/** Before the answer on stdout, where drivers print too. */
export const answerMark = 'tokenwork-llama:';

const answerSchema = z.object({
  /** Whether the back end could be loaded. */
  loads: z.boolean(),
  /** The devices that the back end sees. */
  devices: z.array(adapterSchema),
});
export type LlamaProbe = z.infer<typeof answerSchema>;

const childFile = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../../dist/engines/llama/probe-devices.js' : './probe-devices.js',
    import.meta.url,
  ),
);
const stallTimeoutMs = 60_000;

const names: Record<LlamaDevice, string> = {
  cpu: 'llama.cpp',
  cuda: 'llama.cpp, CUDA',
  vulkan: 'llama.cpp, Vulkan',
  metal: 'llama.cpp, Metal',
};

/** The back ends of llama.cpp that there are for this platform, each opened in a process of its own. Never rejects. */
export async function probeLlamaBackEnds(sight: PackageSight = thisInstallation()): Promise<BackEndRecord[]> {
  const devices = (['cpu', 'vulkan', 'cuda', 'metal'] as const).filter(
    (device) => packageFor(device, sight.platform, sight.arch) !== null,
  );
  const records: BackEndRecord[] = [];
  for (const device of devices) records.push(await probeLlama(device, sight));
  return records;
}

/** Loads llama.cpp for `device` in a child process and lists what it opens. Never rejects. */
export async function probeLlama(
  device: LlamaDevice,
  sight: PackageSight = thisInstallation(),
): Promise<BackEndRecord> {
  const files = findLlama(device, sight);
  const record: BackEndRecord = {
    name: names[device],
    device: device === 'cpu' ? 'cpu' : 'gpu',
    available: false,
    version: files?.version ?? null,
    file: files && (files.backEnd ?? files.llama),
    adapter: null,
    hint: null,
  };
  if (files === null)
    return { ...record, hint: `Not installed: ${installCommand(device, sight)} brings it.` };
  if (files.version !== LLAMA_VERSION)
    return {
      ...record,
      hint: `Version ${files.version} is installed, and only ${LLAMA_VERSION} is taken: ${installCommand(device, sight)}.`,
    };
  try {
    const command = [process.execPath, childFile, JSON.stringify(files)];
    const { answer, ended } = await askBounded(command, answerMark, { withinMs: stallTimeoutMs });
    for (const line of ended.stderr.split('\n').filter(Boolean)) log('llama.cpp: %s', line);
    if (answer === null) {
      return { ...record, hint: `Does not open: ${withoutAnswer(ended, 'loading it', stallTimeoutMs)}.` };
    }
    const { loads, devices } = answerSchema.parse(JSON.parse(answer));
    const [adapter = null] = devices;
    const available = loads && (device === 'cpu' || adapter !== null);
    const hint = available ? seemingHint(adapter?.kind, adapter?.name) : whyNot(files, ended.stderr, loads);
    return { ...record, available, adapter: device === 'cpu' ? null : adapter, hint };
  } catch (error) {
    return { ...record, hint: `Does not open: ${messageOf(error)}.` };
  }
}

function seemingHint(kind: string | undefined, name: string | undefined): string | null {
  return kind === 'software' && name !== undefined
    ? `${name} is a CPU that acts as a GPU: it shows that the GPU path works, and --device auto does not take it.`
    : null;
}

function whyNot({ backEnd }: LlamaFiles, said: string, loads: boolean): string {
  const cuda = backEnd === null ? null : cudaOf(backEnd);
  if (loads)
    return cuda === null
      ? 'It loads, and no Vulkan driver offers a GPU: install the driver of your GPU; a container needs NVIDIA_DRIVER_CAPABILITIES=all with --gpus all.'
      : 'It loads, and CUDA sees no GPU: see whether nvidia-smi lists one, and start a container with --gpus all.';
  const missing = cuda === null ? [] : findCudaRuntime(cuda).missing;
  if (cuda !== null && missing.length > 0)
    return `Its libraries of CUDA ${cuda} are missing (${missing.join(', ')}): ${cudaRemedy(cuda)}.`;
  const absent = /: (\S+): cannot open shared object file/.exec(said)?.[1];
  if (absent !== undefined) return `${absent} is missing: ${libraryRemedies[absent] ?? 'install it'}.`;
  return cuda === null
    ? 'No Vulkan driver opens: install the driver of your GPU (on Debian: sudo apt-get install mesa-vulkan-drivers, or nvidia-driver).'
    : `CUDA does not open: CUDA ${cuda} needs an NVIDIA driver of ${leastDriver[cuda]} or newer.`;
}

function cudaOf(backEnd: string): CudaMajor | null {
  if (!backEnd.includes('ggml-cuda')) return null;
  return backEnd.includes('fallback') ? 12 : 13;
}

/** The oldest NVIDIA drivers that run each CUDA (its release notes, table 3). */
export const leastDriver: Record<CudaMajor, number> = { 13: 580, 12: 525 };

const cudaWheels: Record<CudaMajor, string> = {
  13: `"nvidia-cuda-runtime>=13,<14" "nvidia-cublas>=13,<14"`,
  12: 'nvidia-cuda-runtime-cu12 nvidia-cublas-cu12',
};

export function cudaRemedy(cuda: CudaMajor): string {
  return `pip install ${cudaWheels[cuda]} (found in the active Python environment or in python3's own), or name the folder they are in by LD_LIBRARY_PATH or CUDA_HOME`;
}

const libraryRemedies: Record<string, string> = {
  'libvulkan.so.1': 'sudo apt-get install libvulkan1',
  'libcuda.so.1': 'install the NVIDIA driver, and start a container with --gpus all',
  'libstdc++.so.6': 'sudo apt-get install libstdc++6',
};

/** The command that brings the package of `device`: into a portable bundle, into a clone, or beside an installed one. */
export function installCommand(device: LlamaDevice, { platform, arch }: PackageSight): string {
  if (process.env.TOKENWORK_BUNDLE)
    return `scripts/portable.sh OUT.tar.xz --with ${device}, where this was packed,`;
  const script = fileURLToPath(new URL('../../../scripts/setup-gpu.js', import.meta.url));
  return existsSync(script)
    ? `npm run setup:gpu -- --device ${device}`
    : `npm install ${packageFor(device, platform, arch)}@${LLAMA_VERSION}`;
}

/** CUDA's libraries that llama.cpp may use, by version; none where there is no back end for CUDA. */
export function llamaLibraries(sight: PackageSight = thisInstallation()): LibraryRecord[] {
  if (sight.platform !== 'linux' || packageFor('cuda', sight.platform, sight.arch) === null) return [];
  return cudaMajors.map((cuda) => {
    const { files, missing } = findCudaRuntime(cuda, sight.cuda);
    const shown = missing.length > 0 ? missing : files;
    return { name: `CUDA ${cuda} for llama.cpp`, file: shown.join(', '), loads: missing.length === 0 };
  });
}
