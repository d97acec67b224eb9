import { TokenworkError } from '../../core/errors.js';
import type { Bytes } from '../../core/units.js';
import type { CacheBlocks, CachedPositions, CacheExport } from '../engine.js';
import type { LlamaContext } from './context.js';

/** Cells of a shared KV cache that stay when the sequence which computed them is gone. */
export class LlamaBlock implements CachedPositions {
  readonly byteLength: Bytes;
  readonly home: LlamaBlocks;
  /** The sequence that holds on to them, and which positions; null while they hold nothing. */
  held: { carrier: number; from: number; to: number } | null = null;

  constructor(home: LlamaBlocks, byteLength: Bytes) {
    this.home = home;
    this.byteLength = byteLength;
  }
}

/**
 * Blocks of a prefix cache without a copy: cells of the cache belong to any number of sequences, so a block is
 * kept by making its cells also those of a *carrier*, a sequence that nobody computes in, and found again by
 * making them those of the sequence that hits. A carrier has a position once, so that it holds many blocks of
 * different positions, and blocks of the same positions lie in different carriers.
 */
export class LlamaBlocks implements CacheBlocks {
  readonly #blocks: LlamaBlock[];
  readonly #blockTokens: number;
  /** Of each carrier, the first positions of the blocks it holds. */
  readonly #carriers = new Map<number, Set<number>>();
  readonly #current: () => LlamaContext | null;

  /** `current`: the context that the blocks lie in; null before the first sequence. */
  constructor(current: () => LlamaContext | null, blocks: number, blockTokens: number, blockBytes: Bytes) {
    this.#current = current;
    this.#blockTokens = blockTokens;
    this.#blocks = Array.from({ length: blocks }, () => new LlamaBlock(this, blockBytes));
  }

  /** Cells that all blocks together may hold. */
  get positions(): number {
    return this.#blocks.length * this.#blockTokens;
  }

  block(index: number): LlamaBlock {
    return this.#blocks[index]!;
  }

  /** Moves all that is held from one context into another. */
  move(before: LlamaContext, after: LlamaContext): void {
    const carriers = [...this.#carriers.keys()];
    for (const carrier of carriers) after.restore(carrier, before.save(carrier));
    after.takeAll(carriers);
  }

  /** Makes cells of a sequence those of the block as well. Throws RangeError or `prefix-cache-too-large`. */
  keep(block: LlamaBlock, sequence: number, from: number, to: number): void {
    if (from % this.#blockTokens !== 0) throw new RangeError(`position ${from} begins no block`);
    this.#drop(block);
    const carrier = this.#carrierFor(from);
    this.#context.share(sequence, carrier, from, to);
    block.held = { carrier, from, to };
    this.#carriers.get(carrier)!.add(from);
  }

  get #context(): LlamaContext {
    const context = this.#current();
    if (context === null) throw new Error('blocks were used before a sequence was opened for them');
    return context;
  }

  #drop(block: LlamaBlock): void {
    if (block.held === null) return;
    const { carrier, from, to } = block.held;
    this.#context.remove(carrier, from, to);
    this.#carriers.get(carrier)!.delete(from);
    block.held = null;
  }

  #carrierFor(from: number): number {
    for (const [carrier, held] of this.#carriers) if (!held.has(from)) return carrier;
    const carrier = this.#context.takeLast();
    if (carrier === null)
      throw new TokenworkError(
        'prefix-cache-too-large',
        `llama.cpp tells ${this.#context.shape.sequences} sequences apart, and more prefixes than that begin differently.`,
        'Give the prefix cache a lower limit, or larger blocks.',
      );
    this.#carriers.set(carrier, new Set());
    return carrier;
  }
}

/** Keeps positions of a sequence in the blocks that are their targets. Throws as `LlamaBlocks.keep` does. */
export function keepInBlocks(sequence: number, exports: readonly CacheExport[]): void {
  for (const { from, to, target } of exports) {
    const block = own(target);
    block.home.keep(block, sequence, from, to);
  }
}

/** Lets a sequence have cached positions, from position `at` on. Throws RangeError where they are others. */
export function shareFromBlocks(
  context: LlamaContext,
  sequence: number,
  at: number,
  chunks: readonly CachedPositions[],
): void {
  let next = at;
  for (const chunk of chunks) {
    const { held } = own(chunk);
    if (held?.from !== next) throw new RangeError(`a block does not follow position ${next}`);
    context.share(held.carrier, sequence, held.from, held.to);
    next = held.to;
  }
}

function own(positions: CachedPositions): LlamaBlock {
  if (!(positions instanceof LlamaBlock)) throw new Error('cached positions of another engine were given');
  return positions;
}
