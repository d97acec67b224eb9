import { TokenworkError } from '../../core/errors.js';
import { createRandom } from '../../stats/random.js';
import type { StepCosts } from '../step-costs.js';

export type Similarity = 'cosine' | 'dot';

export interface Neighbour {
  /** In the order of adding, from 0. */
  id: number;
  score: number;
}

/**
 * An exact index of vectors: a search compares the query with all of them. At the sizes of a conversation's
 * history nothing approximate is faster by enough to matter, and what it costs is known in closed form.
 */
export class VectorIndex {
  readonly dimensions: number;
  readonly capacity: number;
  /** Row-major [capacity, dimensions], reserved once. */
  readonly #vectors: Float32Array;
  /** One for each vector; 0 for a vector of zeros, which is similar to nothing. */
  readonly #inverseLengths: Float64Array;
  #size = 0;

  /** Throws TokenworkError `bad-vector-index` where the memory cannot be had. */
  constructor({ dimensions, capacity }: { dimensions: number; capacity: number }) {
    this.dimensions = dimensions;
    this.capacity = capacity;
    try {
      this.#vectors = new Float32Array(dimensions * capacity);
      this.#inverseLengths = new Float64Array(capacity);
    } catch (cause) {
      throw new TokenworkError(
        'bad-vector-index',
        `There is no memory for ${capacity} vectors of ${dimensions} elements.`,
        'Use whole numbers, and a shorter history.',
        { cause },
      );
    }
  }

  get size(): number {
    return this.#size;
  }

  /** Adds a vector and returns its id. Throws TokenworkError `vector-misfit` or `vector-index-full`. */
  add(vector: Float32Array): number {
    this.#refuseMisfit(vector);
    this.#refuseFull(1);
    this.#vectors.set(vector, this.#size * this.dimensions);
    return this.#settle();
  }

  /**
   * Adds `count` vectors of length 1, drawn by seed: a synthetic history. The same seed gives the same
   * vectors, and a shorter history is the beginning of a longer one. Throws TokenworkError
   * `vector-index-full`.
   */
  fill(count: number, seed: number): void {
    this.#refuseFull(count);
    const random = createRandom(seed);
    const words = new Uint32Array(this.dimensions);
    for (let added = 0; added < count; added++) {
      random.fill(words);
      const row = this.#row(this.#size);
      let squares = 0;
      for (let i = 0; i < row.length; i++) {
        // Uniform over (−1, 1), and never all zero: no word is 2³¹ − ½.
        row[i] = (words[i]! + 0.5) / 2 ** 31 - 1;
        squares += row[i]! ** 2;
      }
      const scale = 1 / Math.sqrt(squares);
      for (let i = 0; i < row.length; i++) row[i]! *= scale;
      this.#settle();
    }
  }

  /** A copy of a vector. */
  vector(id: number): Float32Array {
    if (!Number.isInteger(id) || id < 0 || id >= this.#size)
      throw new RangeError(`an index of ${this.#size} vectors has none of id ${id}`);
    return this.#row(id).slice();
  }

  /** Forgets all vectors from `size` on. */
  truncate(size: number): void {
    if (!Number.isInteger(size) || size < 0 || size > this.#size)
      throw new RangeError(`cannot truncate an index of ${this.#size} vectors to ${size}`);
    this.#size = size;
  }

  /**
   * The `count` vectors most similar to `query`, fewer where there are fewer, most similar first; of equal
   * ones the lower id first. Throws TokenworkError `vector-misfit`.
   */
  search(query: Float32Array, count: number, similarity: Similarity = 'cosine'): Neighbour[] {
    this.#refuseMisfit(query);
    const queryScale = similarity === 'dot' ? 1 : inverseLength(query);
    const best: Neighbour[] = [];
    for (let id = 0; id < this.#size; id++) {
      const scale = similarity === 'dot' ? 1 : queryScale * this.#inverseLengths[id]!;
      const score = dotProduct(this.#vectors, id * this.dimensions, query) * scale;
      if (best.length === count && !(score > best[count - 1]!.score)) continue;
      let at = best.length;
      while (at > 0 && best[at - 1]!.score < score) at--;
      if (at >= count) continue;
      best.splice(at, 0, { id, score });
      if (best.length > count) best.pop();
    }
    return best;
  }

  #row(id: number): Float32Array {
    return this.#vectors.subarray(id * this.dimensions, (id + 1) * this.dimensions);
  }

  /** Counts in the vector that stands behind the last one, and returns its id. */
  #settle(): number {
    this.#inverseLengths[this.#size] = inverseLength(this.#row(this.#size));
    return this.#size++;
  }

  #refuseFull(count: number): void {
    if (this.#size + count <= this.capacity) return;
    throw new TokenworkError(
      'vector-index-full',
      `${this.#size} + ${count} vectors exceed the ${this.capacity} that this index holds.`,
      'Give the index a larger capacity, or make the history shorter.',
    );
  }

  #refuseMisfit(vector: Float32Array): void {
    const finite = vector.every(Number.isFinite);
    if (vector.length === this.dimensions && finite) return;
    throw new TokenworkError(
      'vector-misfit',
      finite
        ? `A vector of ${vector.length} elements does not fit an index of ${this.dimensions}.`
        : 'A vector holds elements that are no numbers.',
      'Query an index with the encoder that filled it.',
    );
  }
}

/** The cost of a search of `size` vectors: a multiply-add and one element read for each of theirs. */
export function searchCost(size: number, dimensions: number): StepCosts {
  return { flops: 2 * size * dimensions, memoryTraffic: 4 * size * dimensions, activationBytes: 0 };
}

function inverseLength(vector: Float32Array): number {
  const squares = dotProduct(vector, 0, vector);
  return squares === 0 ? 0 : 1 / Math.sqrt(squares);
}

/** Four sums at a time: one would wait for itself at every element. */
function dotProduct(vectors: Float32Array, offset: number, query: Float32Array): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = query.length - (query.length % 4);
  for (let i = 0; i < whole; i += 4) {
    a += vectors[offset + i]! * query[i]!;
    b += vectors[offset + i + 1]! * query[i + 1]!;
    c += vectors[offset + i + 2]! * query[i + 2]!;
    d += vectors[offset + i + 3]! * query[i + 3]!;
  }
  for (let i = whole; i < query.length; i++) a += vectors[offset + i]! * query[i]!;
  return a + b + c + d;
}
