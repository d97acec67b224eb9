import koffi from 'koffi';
import { TokenworkError } from '../../core/errors.js';
import { watchThreads } from '../thread-ids.js';
import { cpuOf } from './devices.js';
import type { Address, LlamaApi } from './library.js';
import { threadpoolParams } from './structs.js';

/** Threads that compute beside the calling one, for as long as a decoder is open. */
export interface LlamaThreads {
  /** Null with one thread: the calling one computes alone. */
  pool: Address | null;
  /** Those of the pool; null where the system does not tell. */
  ids: readonly number[] | null;
  close(): void;
}

/**
 * Starts `threads` − 1 threads. Without a pool of ours, llama.cpp starts and ends threads at every step, which
 * nobody could tell apart; and waiting threads would spin, which costs time that no work needs. Throws
 * TokenworkError `engine-failed`.
 */
export function startThreads(api: LlamaApi, threads: number): LlamaThreads {
  if (threads === 1) return { pool: null, ids: [], close: () => {} };
  const cpu = cpuOf(api);
  const backEnd = cpu === null ? null : api.deviceBackEnd(cpu);
  const create = backEnd && api.backEndFunction(backEnd, 'ggml_threadpool_new');
  const free = backEnd && api.backEndFunction(backEnd, 'ggml_threadpool_free');
  const watch = watchThreads();
  const pool: Address | null =
    create &&
    koffi.decode(
      create,
      koffi.proto('void *', [koffi.pointer(threadpoolParams)]),
    )({
      ...api.threadpoolDefaults(threads),
      poll: neverSpin,
    });
  const ids = watch.created();
  if (!pool || !free)
    throw new TokenworkError(
      'engine-failed',
      `llama.cpp starts no ${threads} threads.`,
      'Use fewer: --threads 1.',
    );
  return { pool, ids, close: () => koffi.decode(free, koffi.proto('void', ['void *']))(pool) };
}

const neverSpin = 0;
