import { PrefixCache } from './prefix-cache/prefix-cache.js';
import type { LoadedModel } from './request.js';

/** What requests share on one worker: models by id, and what each keeps between requests. */
export class Resources {
  readonly #decoders: ReadonlyMap<string, LoadedModel>;
  readonly #caches = new Map<LoadedModel, Map<string, PrefixCache>>();

  constructor(decoders: ReadonlyMap<string, LoadedModel> = new Map()) {
    this.#decoders = decoders;
  }

  decoder(id: string): LoadedModel {
    const model = this.#decoders.get(id);
    if (model === undefined) throw new Error(`this worker was not given the decoder ${id}`);
    return model;
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
