import { createRequire } from 'node:module';
import type { InferenceSession } from 'onnxruntime-node';
import { messageOf } from '../../../core/errors.js';
import type { EngineRecord } from '../../../core/records/model.js';
import { watchThreads } from '../../thread-ids.js';
import { openingError } from '../opening-error.js';
import { type Binding, loadBinding } from './binding.js';

const logFatalOnly = 4;

/** A model loaded through the binding. */
export interface NodeSession {
  ort: Binding;
  session: InferenceSession;
  /** Thread ids as in `Decoder.threadIds`. */
  threadIds: readonly number[] | null;
}

/** Loads a model with the options of the native back end. Throws as `openingError` says. */
export async function loadNodeSession(onnxPath: string, threads: number): Promise<NodeSession> {
  const ort = await loadBinding();
  const watch = threads > 1 ? watchThreads() : null;
  try {
    const session = await ort.InferenceSession.create(onnxPath, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      enableCpuMemArena: false,
      enableMemPattern: false,
      logSeverityLevel: logFatalOnly,
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    });
    return { ort, session, threadIds: watch === null ? [] : watch.created() };
  } catch (error) {
    watch?.created();
    throw openingError(onnxPath, messageOf(error));
  }
}

/** The record of this back end in results. */
export function nodeRecord({
  threads,
  backendReason,
}: {
  threads: number;
  backendReason: string;
}): EngineRecord {
  return {
    name: 'onnx',
    backend: 'node',
    backendReason,
    device: 'cpu',
    threads,
    sharedSession: false,
    version: createRequire(import.meta.url)('onnxruntime-node/package.json').version,
  };
}
