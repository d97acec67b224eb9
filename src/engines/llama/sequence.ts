import type { Bytes } from '../../core/units.js';
import { checkExport, importedPositions } from '../cached-positions.js';
import type { CachedPositions, CacheExport, Logits, Sequence } from '../engine.js';
import { closedError, newTokensOf } from '../step-shape.js';
import type { SubnormalFlush } from '../subnormals.js';
import { keepInBlocks, shareFromBlocks } from './blocks.js';
import type { LlamaContext } from './context.js';

/** The parts of its decoder that a sequence uses. */
export interface SequenceHome {
  vocabulary: number;
  kvBytesPerPosition: Bytes;
  subnormals: SubnormalFlush | null;
  closed(): void;
}

export class LlamaSequence implements Sequence {
  readonly batch: number;
  readonly capacity: number;
  readonly #context: LlamaContext;
  /** A sequence of the context for each row. */
  readonly #rows: readonly number[];
  readonly #home: SequenceHome;
  #length = 0;
  #closed = false;

  constructor(context: LlamaContext, rows: readonly number[], capacity: number, home: SequenceHome) {
    this.batch = rows.length;
    this.capacity = capacity;
    this.#context = context;
    this.#rows = rows;
    this.#home = home;
  }

  get length(): number {
    return this.#length;
  }

  get kvBytes(): Bytes {
    return this.batch * this.#length * this.#home.kvBytesPerPosition;
  }

  async step(tokenIds: BigInt64Array, keep: 'last' | 'all' = 'last'): Promise<Logits> {
    if (this.#closed) throw closedError('sequence');
    const { subnormals, vocabulary } = this.#home;
    const newTokens = newTokensOf(tokenIds, this, vocabulary);
    subnormals?.begin();
    try {
      const logits = this.#context.step(tokenIds, this.#rows, this.#length, keep);
      this.#length += newTokens;
      return { ...logits, batch: this.batch };
    } finally {
      subnormals?.end();
    }
  }

  /** llama.cpp does not show its routers. */
  routedExperts(): null {
    if (this.#closed) throw closedError('sequence');
    return null;
  }

  truncate(length: number): void {
    if (this.#closed) throw closedError('sequence');
    if (!Number.isInteger(length) || length < 0 || length > this.#length)
      throw new RangeError(`cannot truncate a sequence of ${this.#length} positions to ${length}`);
    if (length === this.#length) return;
    for (const row of this.#rows) this.#context.truncate(row, length);
    this.#length = length;
  }

  exportCache(row: number, exports: readonly CacheExport[]): void {
    if (this.#closed) throw closedError('sequence');
    checkExport(this, row, exports, this.#home.kvBytesPerPosition);
    keepInBlocks(this.#rows[row]!, exports);
  }

  importCache(rows: readonly (readonly CachedPositions[])[]): void {
    if (this.#closed) throw closedError('sequence');
    const positions = importedPositions(this, rows, this.#home.kvBytesPerPosition);
    if (positions === 0) return;
    for (const [row, chunks] of rows.entries())
      shareFromBlocks(this.#context, this.#rows[row]!, this.#length, chunks);
    this.#length += positions;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#context.giveBack(this.#rows);
    this.#home.closed();
  }
}
