import { messageOf, TokenworkError } from '../../core/errors.js';
import { ortApi } from './native/api.js';
import { libraryPath } from './native/library.js';
import { loadBinding } from './node/binding.js';

/** A way to run models, and whether it is open on this machine. */
export interface BackEndRecord {
  name: string;
  device: string;
  available: boolean;
  version: string | null;
  /** The library it runs, where it is known. */
  file: string | null;
  /** Why not, and what would help; null where it is available. */
  hint: string | null;
}

/** Loads every back end in this process, as a run would. Never rejects. */
export async function probeBackEnds(): Promise<BackEndRecord[]> {
  return [
    await probe('ONNX Runtime, C API', () => ({ version: ortApi().version, file: libraryPath() })),
    await probe('ONNX Runtime, Node', async () => {
      const { env } = await loadBinding();
      return { version: env.versions.node ?? null, file: null };
    }),
    notUsed('WebGPU'),
    notUsed('CUDA'),
  ];
}

async function probe(name: string, load: () => Promise<Loaded> | Loaded): Promise<BackEndRecord> {
  try {
    return { name, device: 'cpu', available: true, ...(await load()), hint: null };
  } catch (error) {
    const advice = error instanceof TokenworkError ? ` ${error.hint}` : '';
    const hint = `${messageOf(error)}${advice}`;
    return { name, device: 'cpu', available: false, version: null, file: null, hint };
  }
}

type Loaded = Pick<BackEndRecord, 'version' | 'file'>;

function notUsed(name: string): BackEndRecord {
  const hint = `This version of tokenwork runs models on the CPU only and does not use ${name}.`;
  return { name, device: 'gpu', available: false, version: null, file: null, hint };
}
