/**
 * Room for columns that are done with together: what is taken within `within` is taken again after it. A new array
 * costs no more to make, but one that outlives two collections of the young is freed by a full one only. V8 begins
 * one every 64 MB of arrays, and where the rows of a million requests are in the heap, each takes seconds.
 */
export class Room {
  readonly #smallestBytes: number;
  /** With how many of its bytes were ever taken; those beyond are zeros. */
  readonly #blocks: { buffer: ArrayBuffer; takenBytes: number }[] = [];
  #block = 0;
  #usedBytes = 0;

  /** `expectedBytes` of columns are made at once. */
  constructor(expectedBytes = 0) {
    this.#smallestBytes = wholeNumbers(expectedBytes);
  }

  /** Zeros. */
  numbers(size: number): Float64Array {
    const { buffer, offset, isNew } = this.#take(size * Float64Array.BYTES_PER_ELEMENT);
    const column = new Float64Array(buffer, offset, size);
    return isNew ? column : column.fill(0);
  }

  /** Zeros. */
  indices(size: number): Uint32Array {
    const { buffer, offset, isNew } = this.#take(size * Uint32Array.BYTES_PER_ELEMENT);
    const column = new Uint32Array(buffer, offset, size);
    return isNew ? column : column.fill(0);
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

  #take(bytes: number): { buffer: ArrayBuffer; offset: number; isNew: boolean } {
    const taken = wholeNumbers(bytes);
    while (this.#block < this.#blocks.length) {
      const block = this.#blocks[this.#block]!;
      const offset = this.#usedBytes;
      if (offset + taken <= block.buffer.byteLength) {
        const isNew = offset >= block.takenBytes;
        this.#usedBytes += taken;
        block.takenBytes = Math.max(block.takenBytes, this.#usedBytes);
        return { buffer: block.buffer, offset, isNew };
      }
      this.#block++;
      this.#usedBytes = 0;
    }
    const whole = this.#blocks.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
    const buffer = new ArrayBuffer(Math.max(taken, this.#smallestBytes, whole));
    this.#blocks.push({ buffer, takenBytes: taken });
    this.#usedBytes = taken;
    return { buffer, offset: 0, isNew: true };
  }
}

/** Numbers start at multiples of their size. */
function wholeNumbers(bytes: number): number {
  const size = Float64Array.BYTES_PER_ELEMENT;
  return Math.ceil(bytes / size) * size;
}
