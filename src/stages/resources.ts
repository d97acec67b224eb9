import type { CostModel } from '../core/cost.js';
import type { Encoder } from '../engines/engine.js';
import { type Term, textFilter } from './lexical-filter.js';
import { PrefixCache } from './prefix-cache/prefix-cache.js';
import type { LoadedModel, TextTokenizer } from './request.js';
import { VectorIndex } from './vector-index.js';

/** A loaded encoder, ready to read texts on the calling thread. */
export interface LoadedEncoder {
  /** What the run calls it. */
  id: string;
  encoder: Encoder;
  cost: CostModel;
  tokenizer: TextTokenizer;
}

/** What requests share on one worker: models by id, and what each keeps between requests. */
export class Resources {
  readonly #decoders: ReadonlyMap<string, LoadedModel>;
  readonly #encoders: ReadonlyMap<string, LoadedEncoder>;
  /** Whether a text holds a word of the list. */
  readonly matchesWordList: (text: string) => boolean;
  readonly #histories = new Map<string, VectorIndex>();
  readonly #caches = new Map<LoadedModel, Map<string, PrefixCache>>();

  constructor(
    decoders: ReadonlyMap<string, LoadedModel> = new Map(),
    encoders: ReadonlyMap<string, LoadedEncoder> = new Map(),
    terms: readonly Term[] = [],
  ) {
    this.#decoders = decoders;
    this.#encoders = encoders;
    const find = textFilter(terms);
    this.matchesWordList = (text) => find(text).length > 0;
  }

  decoder(id: string): LoadedModel {
    const model = this.#decoders.get(id);
    if (model === undefined) throw new Error(`this worker was not given the decoder ${id}`);
    return model;
  }

  encoder(id: string): LoadedEncoder {
    const model = this.#encoders.get(id);
    if (model === undefined) throw new Error(`this worker was not given the encoder ${id}`);
    return model;
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
      const bytesPerPosition = model.decoder.kvBytesPerPosition;
      const limitBytes = cacheTokens * bytesPerPosition;
      cache = new PrefixCache({ blockTokens, bytesPerPosition, limitBytes });
      caches.set(key, cache);
    }
    return cache;
  }
}
