const smallestBlockBytes = 65_536;

/**
 * Room for columns that are done with together: what is taken within `within` is taken again after it. A new array
 * costs no more to make, but one that outlives two collections of the young is freed by a full one only. V8 begins
 * one every 64 MB of arrays, and where the rows of a million requests are in the heap, each takes seconds.
 */
export class Room {
  readonly #blocks: ArrayBuffer[] = [];
  #block = 0;
  #usedBytes = 0;

  /** Zeros. */
  numbers(size: number): Float64Array {
    const { buffer, offset } = this.#take(size * Float64Array.BYTES_PER_ELEMENT);
    return new Float64Array(buffer, offset, size).fill(0);
  }

  /** Zeros. */
  indices(size: number): Uint32Array {
    const { buffer, offset } = this.#take(size * Uint32Array.BYTES_PER_ELEMENT);
    return new Uint32Array(buffer, offset, size).fill(0);
  }

  /** Runs `use`; what it took of the room must not be used after it. */
  within<Value>(use: () => Value): Value {
    const [block, usedBytes] = [this.#block, this.#usedBytes];
    try {
      return use();
    } finally {
      [this.#block, this.#usedBytes] = [block, usedBytes];
    }
  }

  #take(bytes: number): { buffer: ArrayBuffer; offset: number } {
    // Numbers start at multiples of their size.
    const taken = Math.ceil(bytes / Float64Array.BYTES_PER_ELEMENT) * Float64Array.BYTES_PER_ELEMENT;
    while (this.#block < this.#blocks.length) {
      const buffer = this.#blocks[this.#block]!;
      const offset = this.#usedBytes;
      if (offset + taken <= buffer.byteLength) {
        this.#usedBytes += taken;
        return { buffer, offset };
      }
      this.#block++;
      this.#usedBytes = 0;
    }
    const whole = this.#blocks.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const buffer = new ArrayBuffer(Math.max(taken, smallestBlockBytes, whole / 2));
    this.#blocks.push(buffer);
    this.#usedBytes = taken;
    return { buffer, offset: 0 };
  }
}
