import { TokenworkError } from '../../core/errors.js';
import type { EngineRecord } from '../../core/records/model.js';
import type { Bytes } from '../../core/units.js';
import type { CacheBlocks, Decoder, ModelTokenizer, Sequence, SequenceShape } from '../engine.js';
import { checkSequenceShape, closedError } from '../step-shape.js';
import { LlamaBlocks } from './blocks.js';
import { LlamaContext } from './context.js';
import type { Address } from './library.js';
import type { LlamaModel } from './model.js';
import { type LlamaOptions, mostSequences, type OpenedLlama, openLlama } from './opening.js';
import { LlamaSequence } from './sequence.js';
import { lowerFlag } from './termination.js';

/** The parts of a GGUF model that this engine needs. */
export interface LlamaDecoderModel {
  /** All parts of a split model, in order. */
  paths: readonly string[];
  contextLength: number;
  /** From its shape: llama.cpp keeps keys and values in fp16. */
  kvBytesPerPosition: Bytes;
}

/**
 * A GGUF model through llama.cpp. With one thread all computing happens on the calling thread, whose CPU clock
 * is then the request's. Contexts outlive the sequences they were made for, as they do in a server: one for
 * each size of batch, made anew where a longer one is asked for.
 */
export class LlamaDecoder implements Decoder {
  readonly record: EngineRecord;
  readonly vocabulary: number;
  readonly contextLength: number;
  readonly kvBytesPerPosition: Bytes;
  readonly threadIds: readonly number[] | null;
  readonly sharedHandle: Address;
  readonly terminationHandle: Address;
  readonly copiesCachedPositions = false;
  readonly tokenizer: ModelTokenizer;
  readonly model: LlamaModel;
  readonly #threads: number;
  readonly #opened: OpenedLlama;
  /** Of sequences that share nothing, by the size of batch. */
  readonly #contexts = new Map<number, LlamaContext>();
  /** The one of all sequences that exchange positions with blocks, which lie in it. */
  #shared: LlamaContext | null = null;
  #openInShared = 0;
  readonly #reserved: LlamaBlocks[] = [];
  #closed = false;

  /** Loads the model, or takes part in one. Throws as `openLlama` does. */
  constructor(model: LlamaDecoderModel, options: LlamaOptions) {
    this.#opened = openLlama(model.paths, options);
    this.#threads = options.threads;
    this.model = this.#opened.model;
    this.tokenizer = this.#opened.tokenizer;
    this.vocabulary = this.model.vocabularySize;
    this.contextLength = model.contextLength;
    this.kvBytesPerPosition = model.kvBytesPerPosition;
    this.threadIds = this.#opened.threadIds;
    this.sharedHandle = this.model.address;
    this.terminationHandle = this.#opened.flag;
    this.record = this.#opened.record;
  }

  /** Throws TokenworkError `prefix-cache-unsupported` for a model with a recurrent state. */
  reserveBlocks(blocks: number, blockTokens: number): CacheBlocks {
    if (this.#closed) throw closedError('decoder');
    if (!this.model.hasPositions)
      throw new TokenworkError(
        'prefix-cache-unsupported',
        'The model keeps a recurrent state in place of cached positions, so that prefixes cannot be shared.',
        'Leave out the stages with a prefix cache.',
      );
    const blockBytes = blockTokens * this.kvBytesPerPosition;
    const reserved = new LlamaBlocks(() => this.#shared, blocks, blockTokens, blockBytes);
    this.#reserved.push(reserved);
    return reserved;
  }

  open(shape: SequenceShape): Sequence {
    if (this.#closed) throw closedError('decoder');
    checkSequenceShape(shape, this.contextLength);
    // A termination that came too late for the request before must not stop this one.
    lowerFlag(this.terminationHandle);
    const { batch, capacity, prefixCache = false } = shape;
    const context = prefixCache ? this.#roomIn(batch, capacity) : this.#contextOf(batch, capacity);
    const rows = context.take(batch);
    if (rows === null)
      throw new TokenworkError(
        'invalid-step',
        `llama.cpp tells ${mostSequences} sequences apart, and a batch of ${batch} is too many beside the others.`,
        'Use a smaller batch.',
      );
    if (prefixCache) this.#openInShared++;
    return new LlamaSequence(context, rows, capacity, {
      vocabulary: this.vocabulary,
      kvBytesPerPosition: this.kvBytesPerPosition,
      subnormals: this.#opened.subnormals,
      closed: () => this.#closedIn(context),
    });
  }

  /** Gives back the memory of contexts that nobody computes in. */
  trim(): void {
    for (const [batch, context] of this.#contexts) {
      if (!context.idle) continue;
      this.#contexts.delete(batch);
      context.close();
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const context of this.#contexts.values()) context.close();
    this.#shared?.close();
    this.#opened.close();
  }

  /** A context whose sequences have a buffer each, so that none computes over another's positions. */
  #contextOf(batch: number, capacity: number): LlamaContext {
    const kept = this.#contexts.get(batch);
    if (kept?.idle && kept.positions >= capacity) return kept;
    if (kept?.idle) {
      this.#contexts.delete(batch);
      kept.close();
    }
    const context = this.#create(batch, capacity, false);
    if (!this.#contexts.has(batch)) this.#contexts.set(batch, context);
    return context;
  }

  /** The context of all, made larger where these would not fit beside the reserved blocks. */
  #roomIn(batch: number, capacity: number): LlamaContext {
    const before = this.#shared;
    const reserved = this.#reserved.reduce((sum, { positions }) => sum + positions, 0);
    const needed = reserved + batch * capacity;
    if (before !== null && (before.positions >= needed || this.#openInShared > 0)) return before;
    const context = this.#create(mostSequences, needed, true);
    this.#shared = context;
    if (before === null) return context;
    for (const blocks of this.#reserved) blocks.move(before, context);
    before.close();
    return context;
  }

  #create(sequences: number, positions: number, unified: boolean): LlamaContext {
    const { pool } = this.#opened;
    return new LlamaContext(
      this.model,
      { sequences, positions, unified },
      { threads: this.#threads, pool, flag: this.terminationHandle },
    );
  }

  #closedIn(context: LlamaContext): void {
    if (context === this.#shared) this.#openInShared--;
    // A second one of the same batch, made while the first was in use.
    else if (this.#contexts.get(context.shape.sequences) !== context) context.close();
  }
}
