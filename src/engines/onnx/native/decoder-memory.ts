import type { DecoderGraph } from '../../../models/decoder-graph.js';
import { kvBytesPerPosition } from '../../../models/decoder-graph.js';
import type { CacheBlocks, Logits } from '../../engine.js';
import { HostBlocks } from '../host-blocks.js';
import type { Address } from './api.js';
import { AlternatingCache, InPlaceCache, type KvCache } from './cache.js';
import { LogitsOutput } from './logits-output.js';
import type { NativeSession } from './session.js';

/** A step's logits, from where they are computed to memory of this process. */
export interface StepLogits {
  /** The tensor that a step of `newTokens` writes to; 0 where ONNX Runtime shall allocate it. */
  target(newTokens: number, keep: 'last' | 'all'): Address;
  /** The logits in `value`, which `target` gave or ONNX Runtime allocated; the latter is released. */
  read(value: Address, keep: 'last' | 'all'): Logits;
  close(): void;
}

/** State that a decoder keeps beyond a step, in the memory that its session computes in. */
export interface DecoderMemory {
  /** A sequence's KV cache. Throws TokenworkError where there is no memory for it. */
  cache(shape: { batch: number; capacity: number }): KvCache;
  logits(batch: number): StepLogits;
  /** Blocks of a prefix cache, `blockTokens` positions each. */
  reserve(blocks: number, blockTokens: number): CacheBlocks;
  /** Sequences are closed before it. */
  close(): void;
}

/** Memory of this process. */
export class HostMemory implements DecoderMemory {
  readonly #session: NativeSession;
  readonly #graph: DecoderGraph;

  constructor(session: NativeSession, graph: DecoderGraph) {
    this.#session = session;
    this.#graph = graph;
  }

  cache({ batch, capacity }: { batch: number; capacity: number }): KvCache {
    const Cache = this.#graph.cacheInPlace ? InPlaceCache : AlternatingCache;
    return new Cache(this.#session, this.#graph.layers, batch, capacity);
  }

  logits(batch: number): StepLogits {
    return new LogitsOutput(this.#session, this.#graph, batch);
  }

  reserve(blocks: number, blockTokens: number): CacheBlocks {
    return new HostBlocks(blocks, blockTokens * kvBytesPerPosition(this.#graph.layers));
  }

  close(): void {}
}
