import koffi from 'koffi';
import { TokenworkError } from '../../core/errors.js';
import { partTokens } from '../../models/gguf/describe.js';
import type { Logits } from '../engine.js';
import type { Address, LlamaApi } from './library.js';
import type { LlamaModel } from './model.js';
import { StepArrays, stepError } from './step.js';
import { abortParams } from './termination.js';
import type { LlamaThreads } from './threads.js';

export interface ContextShape {
  /** Sequences it can tell apart. */
  sequences: number;
  /** Positions that each may have, or all together where they share one buffer. */
  positions: number;
  /** Whether sequences share positions, so that one can be had by several without a copy. */
  unified: boolean;
}

/** Positions whose logits one call may keep. */
const mostOutputs = 64;

/** A KV cache with what is needed to compute into it. */
export class LlamaContext {
  readonly shape: ContextShape;
  /** Positions a sequence may have. */
  readonly positions: number;
  readonly #api: LlamaApi;
  readonly #address: Address;
  readonly #memory: Address;
  readonly #vocabulary: number;
  readonly #flag: Address;
  readonly #batchTokens: number;
  /** The ids 0, 1, 2 …, which a token's sequence points into. */
  readonly #sequenceIds: Int32Array;
  #arrays: StepArrays;
  #view: { address: Address; data: Float32Array } | null = null;
  #freeSequences: number[];

  /** Throws TokenworkError `device-out-of-memory` or `engine-failed` where there is no memory for it. */
  constructor(
    model: LlamaModel,
    shape: ContextShape,
    { threads, pool, flag }: { threads: number; pool: LlamaThreads['pool']; flag: Address },
  ) {
    const { api } = model;
    const { sequences, positions, unified } = shape;
    // Padded as llama.cpp would: a context that is used again may be filled to that, in one step.
    const all = padded(positions) * (unified ? 1 : sequences);
    const onGpu = model.device !== 'cpu';
    const address = api.createContext(model.address, {
      ...api.contextDefaults,
      ...abortParams(flag),
      n_ctx: all,
      n_batch: all,
      n_ubatch: Math.min(partTokens, all),
      n_seq_max: sequences,
      n_outputs_max: Math.max(mostOutputs, sequences),
      n_outputs_max_per_seq: mostOutputs,
      n_threads: threads,
      n_threads_batch: threads,
      kv_unified: unified,
      offload_kqv: onGpu,
      op_offload: onGpu,
    });
    if (address === null)
      throw new TokenworkError(
        onGpu ? 'device-out-of-memory' : 'engine-failed',
        `llama.cpp has no memory for a context of ${all} positions${onGpu ? ' on the GPU' : ''}.`,
        'Use a smaller model, shorter requests or a smaller batch.',
      );
    if (pool !== null) api.attachThreads(address, pool, pool);
    this.shape = shape;
    this.#api = api;
    this.#address = address;
    this.#memory = api.memoryOf(address);
    this.#flag = flag;
    this.#vocabulary = model.vocabularySize;
    this.#batchTokens = all;
    this.positions = Number(api.contextLength(address));
    // Small typed arrays lie in the JavaScript heap, where they move.
    this.#sequenceIds = Int32Array.from({ length: Math.max(256, sequences) }, (_, id) => id);
    this.#arrays = new StepArrays(partTokens);
    this.#freeSequences = Array.from({ length: sequences }, (_, id) => id);
  }

  get idle(): boolean {
    return this.#freeSequences.length === this.shape.sequences;
  }

  /** Empty sequences of one's own, the lowest ids that are free; null where there are not so many. */
  take(count: number): number[] | null {
    if (this.#freeSequences.length < count) return null;
    this.#freeSequences.sort((a, b) => a - b);
    return this.#freeSequences.splice(0, count);
  }

  /** The highest id that is free, away from those of `take`; null where none is. */
  takeLast(): number | null {
    this.#freeSequences.sort((a, b) => a - b);
    return this.#freeSequences.pop() ?? null;
  }

  /** Ids that another context of the same number of sequences had taken. */
  takeAll(sequences: readonly number[]): void {
    this.#freeSequences = this.#freeSequences.filter((id) => !sequences.includes(id));
  }

  giveBack(sequences: readonly number[]): void {
    for (const sequence of sequences) this.#api.removeFrom(this.#memory, sequence, 0, -1);
    this.#freeSequences.push(...sequences);
  }

  /**
   * Computes `tokenIds` (row-major [sequences, n]) after `past` positions of each sequence. Throws
   * TokenworkError `terminated`, with the sequences as they were, or `engine-failed`.
   */
  step(
    tokenIds: BigInt64Array,
    sequences: readonly number[],
    past: number,
    keep: 'last' | 'all',
  ): Omit<Logits, 'batch'> {
    const newTokens = tokenIds.length / sequences.length;
    const vocabulary = this.#vocabulary;
    if (keep === 'last') {
      this.#decode(tokenIds, sequences, past, newTokens, (index) => index % newTokens === newTokens - 1);
      return { data: this.#logits(sequences.length), positions: 1, vocabulary };
    }
    const data = new Float32Array(tokenIds.length * vocabulary);
    // One call keeps so many logits; row by row, so that each call's are next to each other.
    for (const [row, sequence] of sequences.entries())
      for (let from = 0; from < newTokens; from += mostOutputs) {
        const begin = row * newTokens + from;
        const some = tokenIds.subarray(begin, row * newTokens + Math.min(newTokens, from + mostOutputs));
        this.#decode(some, [sequence], past + from, some.length, () => true, { sequences, past });
        data.set(this.#logits(some.length), begin * vocabulary);
      }
    return { data, positions: newTokens, vocabulary };
  }

  #decode(
    tokenIds: BigInt64Array,
    sequences: readonly number[],
    past: number,
    newTokens: number,
    kept: (index: number) => boolean,
    whole: { sequences: readonly number[]; past: number } = { sequences, past },
  ): void {
    const count = tokenIds.length;
    if (count > this.#batchTokens) throw new RangeError(`${count} tokens in a step of ${this.#batchTokens}`);
    if (count > this.#arrays.length) this.#arrays = new StepArrays(count);
    const { tokens, positions, sequencePointers, outputs } = this.#arrays;
    const ids: Address = koffi.address(this.#sequenceIds);
    for (let index = 0; index < count; index++) {
      tokens[index] = Number(tokenIds[index]);
      positions[index] = past + (index % newTokens);
      sequencePointers[index] = ids + 4n * BigInt(sequences[Math.floor(index / newTokens)]!);
      outputs[index] = Number(kept(index));
    }
    const status = this.#api.decode(this.#address, this.#arrays.batch(count));
    if (status === 0) return;
    // Parts of a long step may be in the cache already.
    for (const sequence of whole.sequences) this.#api.removeFrom(this.#memory, sequence, whole.past, -1);
    throw stepError(status, this.#flag, `running ${count} tokens after ${past}`);
  }

  /** A view of what the last call kept, which waits for a GPU. */
  #logits(outputs: number): Float32Array {
    this.#api.synchronize(this.#address);
    const address = this.#api.logitsOf(this.#address);
    const length = outputs * this.#vocabulary;
    if (this.#view?.address !== address || this.#view.data.length !== length)
      this.#view = { address, data: new Float32Array(koffi.view(address, 4 * length)) };
    return this.#view.data;
  }

  /** Drops positions of a sequence from one on. Throws TokenworkError `speculation-unsupported` for a recurrent state. */
  truncate(sequence: number, from: number): void {
    if (this.#api.removeFrom(this.#memory, sequence, from, -1)) return;
    throw new TokenworkError(
      'speculation-unsupported',
      'The model keeps a recurrent state, which cannot be taken back to an earlier position.',
      'Leave out the stages that draft and verify.',
    );
  }

  remove(sequence: number, from: number, to: number): void {
    this.#api.removeFrom(this.#memory, sequence, from, to);
  }

  /** Lets a sequence have another's positions as well; nothing is copied where they share one buffer. */
  share(from: number, to: number, begin: number, end: number): void {
    this.#api.copySequence(this.#memory, from, to, begin, end);
  }

  /** What a sequence holds, for `restore` of another context of the model. */
  save(sequence: number): Uint8Array {
    const bytes = new Uint8Array(Number(this.#api.stateSize(this.#address, sequence)));
    this.#api.readState(this.#address, bytes, bytes.byteLength, sequence);
    return bytes;
  }

  restore(sequence: number, bytes: Uint8Array): void {
    if (Number(this.#api.writeState(this.#address, bytes, bytes.byteLength, sequence)) > 0) return;
    throw new TokenworkError(
      'engine-failed',
      'llama.cpp cannot move cached positions into a larger context.',
      'Give the prefix cache a lower limit.',
    );
  }

  close(): void {
    this.#view = null;
    this.#api.freeContext(this.#address);
  }
}

/** llama.cpp makes contexts of whole multiples of this. */
export function padded(positions: number): number {
  return Math.ceil(positions / contextStep) * contextStep;
}
const contextStep = 256;
