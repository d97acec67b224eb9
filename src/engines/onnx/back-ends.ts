import { createRequire } from 'node:module';
import { messageOf, TokenworkError } from '../../core/errors.js';
import type { Adapter } from '../../core/records/model.js';
import type { OnnxDevice } from '../engine.js';
import { deviceLibraries } from './gpu/libraries.js';
import { probeDevice } from './gpu/probe.js';
import { ortApi } from './native/api.js';
import { libraryPath } from './native/library.js';
import { builtInProviders, providers } from './native/provider.js';
import { loadBinding } from './node/binding.js';

/** A way to run models, and whether it is open on this machine. */
export interface BackEndRecord {
  name: string;
  /** `cpu` or `gpu`. */
  device: string;
  available: boolean;
  version: string | null;
  /** The library it runs, where it is known. */
  file: string | null;
  /** Description of a GPU that opens, as far as it can be asked. */
  adapter: Adapter | null;
  /** Why not, and what would help; null where it is available and what it seems. */
  hint: string | null;
}

/** Native libraries of one kind that a GPU needs. */
export interface LibraryRecord {
  name: string;
  /** Their names, those that are missing where some are. */
  file: string | null;
  loads: boolean;
}

/** Loads every back end in this process, and opens every GPU in one of its own, as a run would. Never rejects. */
export async function probeBackEnds(): Promise<BackEndRecord[]> {
  return [
    await onCpu('ONNX Runtime, C API', () => ({ version: ortApi().version, file: libraryPath() })),
    await onCpu('ONNX Runtime, Node', async () => {
      const { env } = await loadBinding();
      return { version: env.versions.node ?? null, file: null };
    }),
    await onGpu('WebGPU', 'webgpu'),
    await onGpu('CUDA', 'cuda'),
  ];
}

/** Libraries that GPUs need of this system, by kind. */
export function gpuLibraries(): LibraryRecord[] {
  const parts = new Map<string, { name: string; found: boolean }[]>();
  for (const { name, part, found } of [...deviceLibraries('webgpu'), ...deviceLibraries('cuda')])
    parts.set(part, [...(parts.get(part) ?? []), { name, found }]);
  return [...parts].map(([name, libraries]) => {
    const missing = libraries.filter(({ found }) => !found);
    const shown = missing.length > 0 ? missing : libraries;
    return { name, file: shown.map((library) => library.name).join(', '), loads: missing.length === 0 };
  });
}

async function onCpu(name: string, load: () => Promise<Loaded> | Loaded): Promise<BackEndRecord> {
  const record = { name, device: 'cpu', adapter: null };
  try {
    return { ...record, available: true, ...(await load()), hint: null };
  } catch (error) {
    const advice = error instanceof TokenworkError ? ` ${error.hint}` : '';
    return { ...record, available: false, version: null, file: null, hint: `${messageOf(error)}${advice}` };
  }
}

type Loaded = Pick<BackEndRecord, 'version' | 'file'>;

async function onGpu(name: string, device: Exclude<OnnxDevice, 'cpu'>): Promise<BackEndRecord> {
  const record = { name, device: 'gpu', file: null };
  if (!isBuiltIn(device)) {
    const hint = `This build of ONNX Runtime has no ${name} for ${process.platform}/${process.arch}.`;
    return { ...record, available: false, version: null, adapter: null, hint };
  }
  const { error, adapters } = await probeDevice(device);
  if (error !== null)
    return {
      ...record,
      available: false,
      version: null,
      adapter: null,
      hint: `${error.message} ${error.hint}`.trim(),
    };
  const [adapter = null] = adapters;
  const hint =
    adapter?.kind === 'software'
      ? `${adapter.name} is a CPU that acts as a GPU: it shows that the GPU path works, and --device auto does not take it.`
      : null;
  return { ...record, available: true, version: runtimeVersion(), adapter, hint };
}

function isBuiltIn(device: Exclude<OnnxDevice, 'cpu'>): boolean {
  try {
    return builtInProviders().includes(providers[device].name);
  } catch (error) {
    if (error instanceof TokenworkError) return false; // The C API does not load, and its own record says why.
    throw error;
  }
}

function runtimeVersion(): string {
  return createRequire(import.meta.url)('onnxruntime-node/package.json').version;
}
