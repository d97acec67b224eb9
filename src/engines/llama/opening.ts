import type { EngineRecord } from '../../core/records/model.js';
import type { LlamaDevice, ModelTokenizer } from '../engine.js';
import { type SubnormalFlush, subnormalFlush } from '../subnormals.js';
import type { Address } from './library.js';
import { LlamaModel } from './model.js';
import { LLAMA_VERSION } from './packages.js';
import { giveBackFlag, takeFlag } from './termination.js';
import { startThreads } from './threads.js';
import { vocabularyTokenizer } from './tokenizer.js';

export interface LlamaOptions {
  threads: number;
  device: LlamaDevice;
  /** The model of another thread, to take part in. */
  sharedHandle?: Address | undefined;
}

/** The most sequences that llama.cpp tells apart (LLAMA_MAX_SEQ). */
export const mostSequences = 256;

/** What a decoder and an encoder have alike: weights, threads, a flag to be stopped by, and what is told of them. */
export interface OpenedLlama {
  model: LlamaModel;
  /** Null with one thread. */
  pool: Address | null;
  threadIds: readonly number[] | null;
  subnormals: SubnormalFlush | null;
  flag: Address;
  tokenizer: ModelTokenizer;
  record: EngineRecord;
  /** Gives all of it up, once the contexts are closed. */
  close(): void;
}

/** Loads a model, or takes part in one. Throws as `LlamaModel.load` and `startThreads` do. */
export function openLlama(
  paths: readonly string[],
  { threads, device, sharedHandle }: LlamaOptions,
): OpenedLlama {
  const model =
    sharedHandle === undefined ? LlamaModel.load(paths, device) : LlamaModel.share(sharedHandle, device);
  const pool = startThreads(model.api, threads);
  // The pool's own threads could not be told to flush.
  const subnormals = threads === 1 && device === 'cpu' ? subnormalFlush() : null;
  const flag = takeFlag();
  return {
    ...{ model, pool: pool.pool, threadIds: pool.ids, subnormals, flag },
    tokenizer: vocabularyTokenizer(model),
    record: {
      name: 'llama',
      backend: 'native',
      backendReason: 'GGUF models run in llama.cpp',
      device,
      threads,
      sharedSession: sharedHandle !== undefined,
      version: `${model.api.version} (packages ${LLAMA_VERSION})`,
      subnormals: subnormals === null ? 'kept' : 'flushed',
    },
    close() {
      pool.close();
      giveBackFlag(flag);
      model.close();
    },
  };
}
