import koffi from 'koffi';
import { TokenworkError } from '../../core/errors.js';
import type { EngineRecord } from '../../core/records/model.js';
import type { Encoder, ModelTokenizer } from '../engine.js';
import { closedError } from '../step-shape.js';
import { batchTexts, normaliseRows, type TextBatch } from '../text-batch.js';
import { padded } from './context.js';
import type { Address } from './library.js';
import type { LlamaModel } from './model.js';
import { type LlamaOptions, mostSequences, type OpenedLlama, openLlama } from './opening.js';
import { StepArrays, stepError } from './step.js';
import { abortParams, lowerFlag } from './termination.js';

/** The parts of an embedding model in GGUF that this engine needs. */
export interface LlamaEncoderModel {
  paths: readonly string[];
  contextLength: number;
  /** Whether the file says how positions become one vector; else their mean does. */
  poolsItself: boolean;
}

/** `enum llama_pooling_type`. */
const meanPooling = 1;

/**
 * An embedding model through llama.cpp: the texts of a pass are sequences of one batch, side by side and without
 * padding. Attention is computed between all of their positions, those of other texts masked.
 */
export class LlamaEncoder implements Encoder {
  readonly head = 'embedding';
  readonly record: EngineRecord;
  readonly vocabulary: number;
  readonly contextLength: number;
  readonly size: number;
  readonly threadIds: readonly number[] | null;
  readonly sharedHandle: Address;
  readonly terminationHandle: Address;
  readonly tokenizer: ModelTokenizer;
  readonly #model: LlamaModel;
  readonly #poolsItself: boolean;
  readonly #threads: number;
  readonly #opened: OpenedLlama;
  #context: { address: Address; tokens: number; texts: number } | null = null;
  #closed = false;

  /** Loads the model, or takes part in one. Throws as `openLlama` does. */
  constructor(model: LlamaEncoderModel, options: LlamaOptions) {
    this.#opened = openLlama(model.paths, options);
    this.#threads = options.threads;
    this.#model = this.#opened.model;
    this.#poolsItself = model.poolsItself;
    this.tokenizer = this.#opened.tokenizer;
    this.vocabulary = this.#model.vocabularySize;
    this.contextLength = model.contextLength;
    this.size = this.#model.api.embeddingLength(this.#model.address);
    this.threadIds = this.#opened.threadIds;
    this.sharedHandle = this.#model.address;
    this.terminationHandle = this.#opened.flag;
    this.record = this.#opened.record;
  }

  async embed(rows: readonly (readonly number[])[]): Promise<Float32Array> {
    if (this.#closed) throw closedError('encoder');
    const texts = batchTexts(rows, this);
    if (rows.length > mostSequences)
      throw new TokenworkError(
        'invalid-step',
        `llama.cpp tells ${mostSequences} sequences apart, and ${rows.length} texts are too many for a pass.`,
        'Encode fewer at a time.',
      );
    // A termination that came too late for the pass before must not stop this one.
    lowerFlag(this.terminationHandle);
    return normaliseRows(this.#pass(rows, texts), this.size);
  }

  async classify(): Promise<Float32Array> {
    throw new TokenworkError(
      'encoder-head',
      'The encoder’s head is embedding, and classification was asked of it.',
      'Use an encoder with that head.',
    );
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#dropContext();
    this.#opened.close();
  }

  #pass(rows: readonly (readonly number[])[], { lengths }: TextBatch): Float32Array {
    const { api } = this.#model;
    const count = lengths.reduce((sum, length) => sum + length, 0);
    const context = this.#contextFor(count, rows.length);
    const arrays = new StepArrays(count);
    // Small typed arrays lie in the JavaScript heap, where they move.
    const ids = Int32Array.from({ length: mostSequences }, (_, id) => id);
    let at = 0;
    for (const [row, tokens] of rows.entries())
      for (const [position, token] of tokens.entries()) {
        arrays.tokens[at] = token;
        arrays.positions[at] = position;
        arrays.sequencePointers[at] = BigInt(koffi.address(ids)) + 4n * BigInt(row);
        arrays.outputs[at++] = 1;
      }
    this.#opened.subnormals?.begin();
    try {
      const status = api.decode(context, arrays.batch());
      if (status !== 0) throw stepError(status, this.terminationHandle, `encoding ${count} tokens`);
    } finally {
      this.#opened.subnormals?.end();
    }
    const vectors = new Float32Array(rows.length * this.size);
    for (const row of rows.keys()) {
      const vector = api.embeddingsOf(context, row);
      if (vector === null) throw new Error('llama.cpp gives no vector of a text that it encoded');
      vectors.set(new Float32Array(koffi.view(vector, 4 * this.size)), row * this.size);
    }
    return vectors;
  }

  /** A context for so many tokens at once: an encoder must see all of a text. */
  #contextFor(tokens: number, texts: number): Address {
    const kept = this.#context;
    if (kept !== null && kept.tokens >= tokens && kept.texts >= texts) return kept.address;
    this.#dropContext();
    const { api, address: model } = this.#model;
    const all = padded(tokens);
    const address = api.createContext(model, {
      ...api.contextDefaults,
      ...abortParams(this.terminationHandle),
      ...{ n_ctx: all * texts, n_batch: all, n_ubatch: all, n_seq_max: texts },
      ...{ n_outputs_max: all, n_threads: this.#threads, n_threads_batch: this.#threads },
      ...{ embeddings: true, offload_kqv: this.#model.device !== 'cpu' },
      ...(!this.#poolsItself && { pooling_type: meanPooling }),
    });
    if (address === null)
      throw new TokenworkError(
        'engine-failed',
        `llama.cpp has no memory to encode ${tokens} tokens at once.`,
        'Use shorter texts or fewer at a time.',
      );
    const { pool } = this.#opened;
    if (pool !== null) api.attachThreads(address, pool, pool);
    this.#context = { address, tokens: all, texts };
    return address;
  }

  #dropContext(): void {
    if (this.#context !== null) this.#model.api.freeContext(this.#context.address);
    this.#context = null;
  }
}
