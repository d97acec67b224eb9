import type { LoadedEncoder, LoadedModel } from './loaded-model.js';
import { PrefixCache } from './prefix-cache/prefix-cache.js';
import { VectorIndex } from './retrieval/vector-index.js';
import { type LexicalMatch, type Term, textFilter } from './safety/lexical-filter.js';

const latin = 'The quick brown fox jumps over the lazy dog 0123456789. '.repeat(4);
/** All letters of Latin, and texts beyond Latin-1. */
const textsToCompileBy = [latin, `${latin}Съешь ещё этих мягких французских булок. 世界 안녕 สวัสดี 😀`];

/** Everything that requests share on one worker: models by id, and the state that lasts between requests. */
export class Resources {
  readonly #decoders: ReadonlyMap<string, LoadedModel>;
  readonly #encoders: ReadonlyMap<string, LoadedEncoder>;
  readonly #terms: readonly Term[];
  #findTerms: ((text: string) => LexicalMatch[]) | null = null;
  readonly #histories = new Map<string, VectorIndex>();
  readonly #conversations = new Map<string, number[]>();
  readonly #caches = new Map<LoadedModel, Map<string, PrefixCache>>();

  constructor(
    decoders: ReadonlyMap<string, LoadedModel> = new Map(),
    encoders: ReadonlyMap<string, LoadedEncoder> = new Map(),
    terms: readonly Term[] = [],
  ) {
    this.#decoders = decoders;
    this.#encoders = encoders;
    this.#terms = terms;
  }

  decoder(id: string): LoadedModel {
    const model = this.#decoders.get(id);
    if (model === undefined) throw new Error(`this worker was not given the decoder ${id}`);
    return model;
  }

  /** Has decoders give back what they keep for requests to come. */
  trim(): void {
    for (const { decoder } of this.#decoders.values()) decoder.trim();
  }

  encoder(id: string): LoadedEncoder {
    const model = this.#encoders.get(id);
    if (model === undefined) throw new Error(`this worker was not given the encoder ${id}`);
    return model;
  }

  /**
   * Compiles the word list. V8 compiles a pattern when a text first meets it, once more when it meets it
   * again, and both apart for texts beyond Latin-1: some ms that no request after the first few pays.
   * Returns whether there was anything to do.
   */
  prepareWordList(): boolean {
    if (this.#findTerms !== null) return false;
    const find = textFilter(this.#terms);
    for (const text of textsToCompileBy) for (let time = 0; time < 4; time++) find(text);
    this.#findTerms = find;
    return true;
  }

  /** Whether a text holds a word of the list. */
  matchesWordList(text: string): boolean {
    this.prepareWordList();
    return this.#findTerms!(text).length > 0;
  }

  /** Number of synthetic histories. */
  get histories(): number {
    return this.#histories.size;
  }

  /** The stored pieces of a synthetic history; there is one of each size. */
  history({ dimensions, vectors, seed }: { dimensions: number; vectors: number; seed: number }): VectorIndex {
    const key = `${dimensions} ${vectors} ${seed}`;
    let index = this.#histories.get(key);
    if (index === undefined) {
      index = new VectorIndex({ dimensions, capacity: vectors });
      index.fill(vectors, seed);
      this.#histories.set(key, index);
    }
    return index;
  }

  /** The ids of a conversation's turns so far, to be added to. */
  conversation(key: string): number[] {
    const turns = this.#conversations.get(key) ?? [];
    this.#conversations.set(key, turns);
    return turns;
  }

  /** The prefix cache of a model, of that size; there is one of each. */
  prefixCache(
    model: LoadedModel,
    { blockTokens, cacheTokens }: { blockTokens: number; cacheTokens: number },
  ): PrefixCache {
    const caches = this.#caches.get(model) ?? new Map<string, PrefixCache>();
    this.#caches.set(model, caches);
    const key = `${blockTokens} ${cacheTokens}`;
    let cache = caches.get(key);
    if (cache === undefined) {
      const { decoder } = model;
      const limitBytes = cacheTokens * decoder.kvBytesPerPosition;
      cache = new PrefixCache(decoder, { blockTokens, limitBytes });
      caches.set(key, cache);
    }
    return cache;
  }
}
