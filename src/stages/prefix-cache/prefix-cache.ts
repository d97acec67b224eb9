/**
 * prefix-cache/ keeps the KV cache of prompts' beginnings for later requests: pages of a fixed number of
 * positions, found by a hash chain of their tokens, pinned while in use, and evicted when the memory is
 * full, the least recently used first. One cache serves one model in one worker.
 */

import { createHash } from 'node:crypto';
import { TokenworkError } from '../../core/errors.js';
import type { Bytes } from '../../core/units.js';
import type { CacheBlocks, CachedPositions, CacheExport, Decoder } from '../../engines/engine.js';

export interface PrefixCacheOptions {
  /** Positions in a block; only full blocks are kept. */
  blockTokens: number;
  limitBytes: Bytes;
}

/** The part of a prompt that the cache holds. Its blocks stay as they are until it is released. */
export interface PrefixMatch {
  /** `hit`: every block that could be; `miss`: none. */
  outcome: 'hit' | 'partial' | 'miss';
  /** Positions of the prompt, from its start, that the blocks hold. */
  tokens: number;
  /** In order; each as `Sequence.exportCache` gave it, for `Sequence.importCache`. */
  blocks: readonly CachedPositions[];
  release(): void;
}

/** Blocks of one prompt: newly kept, kept before, and without room as all others were in use. */
export interface PrefixStored {
  stored: number;
  present: number;
  refused: number;
  /** Blocks of other prompts that made room. */
  evicted: number;
}

export interface PrefixCacheStatistics {
  lookups: { hit: number; partial: number; miss: number };
  /** Positions looked up and found, over all lookups. */
  tokens: { lookedUp: number; found: number };
  blocks: {
    capacity: number;
    held: number;
    pinned: number;
    stored: number;
    evicted: number;
    refused: number;
  };
  heldBytes: Bytes;
  limitBytes: Bytes;
}

interface Block {
  key: string;
  index: number;
  pins: number;
}

export class PrefixCache {
  readonly blockTokens: number;
  readonly #limitBytes: Bytes;
  readonly #blockBytes: Bytes;
  readonly #capacity: number;
  readonly #memory: CacheBlocks;
  readonly #blocks = new Map<string, Block>();
  /** Blocks that nobody has pinned, the least recently used first. */
  readonly #idle = new Map<string, Block>();
  /** Indices in memory that hold nothing. */
  readonly #free: number[] = [];
  readonly #lookups = { hit: 0, partial: 0, miss: 0 };
  readonly #tokens = { lookedUp: 0, found: 0 };
  readonly #counts = { stored: 0, evicted: 0, refused: 0 };

  /**
   * Reserves all memory at once, where the decoder has its caches. Throws TokenworkError `bad-prefix-cache`
   * where not one block fits, or what `Decoder.reserveBlocks` throws.
   */
  constructor(
    decoder: Pick<Decoder, 'kvBytesPerPosition' | 'reserveBlocks'>,
    { blockTokens, limitBytes }: PrefixCacheOptions,
  ) {
    const { kvBytesPerPosition: bytesPerPosition } = decoder;
    const whole = Number.isSafeInteger(blockTokens) && blockTokens >= 1;
    const blockBytes = blockTokens * bytesPerPosition;
    this.#capacity = whole ? Math.floor(limitBytes / blockBytes) : 0;
    if (!(this.#capacity >= 1))
      throw new TokenworkError(
        'bad-prefix-cache',
        `A prefix cache of ${limitBytes} bytes holds no block of ${blockTokens} tokens of ${bytesPerPosition} bytes.`,
        'Give it blocks of a whole number of tokens and room for at least one.',
      );
    this.blockTokens = blockTokens;
    this.#limitBytes = limitBytes;
    this.#blockBytes = blockBytes;
    this.#memory = decoder.reserveBlocks(this.#capacity, blockTokens);
    this.#freeAll();
  }

  /**
   * The longest beginning of the prompt that is held, and pins it. The last position is never part of it:
   * it has to be computed for its logits.
   */
  match(tokenIds: readonly number[]): PrefixMatch {
    const keys = blockKeys(tokenIds.slice(0, -1), this.blockTokens);
    const missing = keys.findIndex((key) => !this.#blocks.has(key));
    const pinned = keys.slice(0, missing < 0 ? keys.length : missing).map((key) => this.#pin(key));
    const outcome = pinned.length === 0 ? 'miss' : pinned.length === keys.length ? 'hit' : 'partial';
    const tokens = pinned.length * this.blockTokens;
    this.#lookups[outcome]++;
    this.#tokens.lookedUp += tokenIds.length;
    this.#tokens.found += tokens;
    let released = false;
    return {
      outcome,
      tokens,
      blocks: pinned.map(({ index }) => this.#memory.block(index)),
      release: () => {
        if (released) return;
        released = true;
        this.#unpin(pinned);
      },
    };
  }

  /**
   * Keeps the full blocks of `tokenIds`; `exportCache` copies those that are new out of a sequence, all at
   * once (`Sequence.exportCache`). Ends early where every other block is pinned. Throws what `exportCache`
   * throws, with nothing of this prompt newly kept.
   */
  store(tokenIds: readonly number[], exportCache: (exports: readonly CacheExport[]) => void): PrefixStored {
    const keys = blockKeys(tokenIds, this.blockTokens);
    const result: PrefixStored = { stored: 0, present: 0, refused: 0, evicted: 0 };
    // The chain is pinned as it is walked, or its own end could evict its beginning.
    const chain: Block[] = [];
    const fresh: Block[] = [];
    const exports: CacheExport[] = [];
    try {
      for (const [position, key] of keys.entries()) {
        if (this.#blocks.has(key)) {
          result.present++;
          chain.push(this.#pin(key));
          continue;
        }
        const index = this.#free.pop() ?? this.#evict(result);
        if (index === undefined) {
          result.refused = keys.length - position;
          break;
        }
        const from = position * this.blockTokens;
        exports.push({ from, to: from + this.blockTokens, target: this.#memory.block(index) });
        const block = { key, index, pins: 1 };
        fresh.push(block);
        chain.push(block);
      }
      if (exports.length > 0) exportCache(exports);
      for (const block of fresh) this.#blocks.set(block.key, block);
      result.stored = fresh.length;
    } finally {
      // What could not be copied was never there; what it pushed out is gone all the same.
      const copied = result.stored === fresh.length;
      if (!copied) this.#free.push(...fresh.map(({ index }) => index));
      this.#unpin(copied ? chain : chain.filter((block) => !fresh.includes(block)));
      for (const kind of ['stored', 'refused', 'evicted'] as const) this.#counts[kind] += result[kind];
    }
    return result;
  }

  /** Forgets every block; the memory stays. Throws Error where one is still pinned. */
  clear(): void {
    if (this.#idle.size < this.#blocks.size) throw new Error('a block of the prefix cache is still in use');
    this.#blocks.clear();
    this.#idle.clear();
    this.#freeAll();
  }

  get statistics(): PrefixCacheStatistics {
    const held = this.#blocks.size;
    return {
      lookups: { ...this.#lookups },
      tokens: { ...this.#tokens },
      blocks: { capacity: this.#capacity, held, pinned: held - this.#idle.size, ...this.#counts },
      heldBytes: held * this.#blockBytes,
      limitBytes: this.#limitBytes,
    };
  }

  #freeAll(): void {
    this.#free.length = 0;
    for (let index = this.#capacity - 1; index >= 0; index--) this.#free.push(index);
  }

  #pin(key: string): Block {
    const block = this.#blocks.get(key)!;
    if (block.pins++ === 0) this.#idle.delete(key);
    return block;
  }

  /** Evicts from the end: a block is of no use without the one before it. */
  #unpin(chain: readonly Block[]): void {
    for (const block of chain.toReversed()) if (--block.pins === 0) this.#idle.set(block.key, block);
  }

  /** Returns the place of the least recently used block; undefined where all are pinned. */
  #evict(result: PrefixStored): number | undefined {
    const oldest = this.#idle.values().next().value;
    if (oldest === undefined) return undefined;
    this.#idle.delete(oldest.key);
    this.#blocks.delete(oldest.key);
    result.evicted++;
    return oldest.index;
  }
}

/**
 * One key for each full block of `tokenIds`. A key stands for the block's tokens and everything before
 * them, as what a position's keys and values are depends on all positions up to it: a chain of SHA-256,
 * as in vLLM's automatic prefix caching. A rest shorter than a block has none.
 */
function blockKeys(tokenIds: readonly number[], blockTokens: number): string[] {
  const keys: string[] = [];
  let parent = '';
  for (let end = blockTokens; end <= tokenIds.length; end += blockTokens) {
    const block = Uint32Array.from(tokenIds.slice(end - blockTokens, end));
    parent = createHash('sha256').update(parent).update(block).digest('base64');
    keys.push(parent);
  }
  return keys;
}
