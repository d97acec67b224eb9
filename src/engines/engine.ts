/**
 * engines/ runs one request and times each step. An engine opens a model as a `Decoder`; a decoder
 * opens `Sequence`s, each a KV cache that grows by steps. Stages (prefill, decode, draft and verify) are
 * built on steps, so every one of them is timed and counted alike. An `Encoder` reads texts in one pass.
 */
import type { EngineRecord } from '../core/records/model.js';
import type { Bytes } from '../core/units.js';
import type { ChatMessage } from '../models/tokenizer.js';

/** The device that computes: this machine's CPU, or a GPU through the interface of that name. */
export const devices = ['cpu', 'cuda', 'vulkan', 'metal', 'webgpu'] as const;
export type Device = (typeof devices)[number];

/** The engines, and what each computes on. */
export const engineDevices = {
  onnx: ['cpu', 'cuda', 'webgpu'],
  llama: ['cpu', 'cuda', 'vulkan', 'metal'],
} as const satisfies Record<EngineName, readonly Device[]>;
export const engineNames = ['onnx', 'llama'] as const;
export type EngineName = (typeof engineNames)[number];
export type OnnxDevice = (typeof engineDevices.onnx)[number];
export type LlamaDevice = (typeof engineDevices.llama)[number];

/** Options of opening a model with ONNX Runtime. */
export interface OnnxOptions {
  /** `cpu` where it is left out. */
  device?: OnnxDevice | undefined;
  /** Intra-op threads of the session. */
  threads: number;
  /** `auto`: the native back end where it loads, else the Node binding. */
  backend: 'auto' | 'native' | 'node';
}

/**
 * Logits of one step. `data` is row-major [batch, positions, vocabulary] and valid until the sequence's
 * next step.
 */
export interface Logits {
  data: Float32Array;
  batch: number;
  /** 1, the last; or all new positions, where they were asked for and the graph can compute them. */
  positions: number;
  vocabulary: number;
}

/**
 * Cached positions outside of any sequence, where their decoder keeps its caches: bytes of this process, a
 * Uint8Array, or a block in the memory of a GPU.
 */
export interface CachedPositions {
  readonly byteLength: Bytes;
}

/** Room for a fixed number of equal blocks of cached positions, until its decoder closes. */
export interface CacheBlocks {
  block(index: number): CachedPositions;
}

/** Target of the cached positions `from` to `to` (exclusive): `kvBytesPerPosition` bytes for each. */
export interface CacheExport {
  from: number;
  to: number;
  target: CachedPositions;
}

export interface SequenceShape {
  batch: number;
  /** Positions to have room for. */
  capacity: number;
  /** Whether cached positions are exchanged with blocks, which are reserved before. */
  prefixCache?: boolean;
}

/** A KV cache being filled. */
export interface Sequence {
  readonly batch: number;
  /** Positions in the cache. */
  readonly length: number;
  /** Bytes the cached positions hold, exact from shape and dtype (not the allocated capacity). */
  readonly kvBytes: Bytes;
  /**
   * Runs `tokenIds` (row-major [batch, n]) after the cached positions and appends them to the cache.
   * Returns the logits of each row's last position, or of all positions that the graph can compute: a
   * graph that takes the number to keep as an input is asked for as many as are kept.
   * Throws TokenworkError `context-exceeded`, `token-out-of-vocabulary`, `invalid-step`, `terminated`
   * (stopped by `requestTermination`; the cache is as before the step) or `engine-failed`.
   */
  step(tokenIds: BigInt64Array, keep?: 'last' | 'all'): Promise<Logits>;
  /**
   * The experts that the last step's tokens were sent to, all rows together: distinct ids, ascending, for
   * each layer of a mixture. `null` where the graph does not show its router, or before the first step.
   */
  routedExperts(): number[][] | null;
  /** Drops cached positions beyond `length`. */
  truncate(length: number): void;
  /**
   * Copies cached positions of one batch row, all of `exports` at once, and returns when they are there. In
   * this process they lie layer by layer, keys before values, head by head, [to − from, headDim] of the
   * cache's dtype; on a GPU, which they do not leave, each target is a block of its decoder and taken whole.
   * Throws RangeError or TokenworkError `engine-failed`.
   */
  exportCache(row: number, exports: readonly CacheExport[]): void;
  /**
   * Appends cached positions to every row: each has its chunks, one after another, as `exportCache` gave
   * them. The positions must be the ones that follow those cached, computed by the same model. Rows may
   * share chunks. Returns when they are there. Throws RangeError, TokenworkError `context-exceeded` or
   * `engine-failed`.
   */
  importCache(rows: readonly (readonly CachedPositions[])[]): void;
  close(): void;
}

/** Text to token ids and back, by what the model's own file holds. */
export interface ModelTokenizer {
  /** With the special tokens (BOS) that the model asks for. */
  encode(text: string): number[];
  /**
   * Ids of a conversation by the chat template, up to where it is answered; null: the file has none. Throws
   * TokenworkError `bad-tokenizer` where the template does not render.
   */
  encodeChat: ((messages: readonly ChatMessage[]) => number[]) | null;
  /** Special tokens left out. */
  decode(ids: readonly number[]): string;
}

/** A loaded model, whatever it does. */
interface Engine {
  readonly record: EngineRecord;
  readonly vocabulary: number;
  /** Largest number of positions a sequence or text may have. */
  readonly contextLength: number;
  /**
   * OS thread ids that compute for this decoder besides the calling thread; empty with one intra-op
   * thread, `null` where they cannot be known.
   */
  readonly threadIds: readonly number[] | null;
  /** A handle by which another worker thread of this process opens the same session; null if it cannot. */
  readonly sharedHandle: bigint | null;
  /**
   * A handle with which another thread stops the step that runs on this decoder's thread (see
   * `requestTermination`); null where the back end cannot be stopped inside a step.
   */
  readonly terminationHandle: bigint | null;
  close(): void;
}

export interface Decoder extends Engine {
  /** Bytes that one cached position of one batch row takes, in the cache and exported from it. */
  readonly kvBytesPerPosition: Bytes;
  /**
   * Reserves blocks of `blockTokens` positions of one row, where the caches are. Throws TokenworkError
   * `prefix-cache-too-large` or `device-out-of-memory` where the memory cannot be had.
   */
  reserveBlocks(blocks: number, blockTokens: number): CacheBlocks;
  open(shape: SequenceShape): Sequence;
  /** Whether `exportCache` and `importCache` copy the positions, or share what there is. */
  readonly copiesCachedPositions: boolean;
  /** The tokenizer inside the model's own file; null where that has none. */
  readonly tokenizer: ModelTokenizer | null;
  /** Gives back memory that is kept for sequences to come. */
  trim(): void;
}

/**
 * Texts as rows of token ids, special tokens included, side by side in one pass. With ONNX
 * Runtime rows shorter than the longest are padded, and the padding is computed along. Throws TokenworkError `invalid-step`,
 * `context-exceeded`, `token-out-of-vocabulary`, `encoder-head`, `terminated` or `engine-failed`.
 */
export interface Encoder extends Engine {
  readonly head: 'embedding' | 'classification';
  /** The tokenizer inside the model's own file; null where that has none. */
  readonly tokenizer: ModelTokenizer | null;
  /** Elements of one text's result: of its vector, or its labels. */
  readonly size: number;
  /** Vectors [batch, size] of length 1: the mean over each text's positions, unless the graph pools itself. */
  embed(rows: readonly (readonly number[])[]): Promise<Float32Array>;
  /** Logits [batch, size] of the labels. */
  classify(rows: readonly (readonly number[])[]): Promise<Float32Array>;
}
