import type { Nanoseconds } from '../core/units.js';

/** One reading. NaN marks a gap: the channel is not known between the values around it. */
export interface Sample {
  timeNs: Nanoseconds;
  /** Index into the sampler's channels. */
  channel: number;
  value: number;
}

const recordBytes = 3 * 8;
const headerBytes = 16;
const slot = { written: 0, read: 1, dropped: 2 };

/** Memory for a ring of so many samples, a power of two, to be shared between two threads. */
export function ringMemory(capacity: number): SharedArrayBuffer {
  if (capacity < 2 || !Number.isInteger(Math.log2(capacity))) {
    throw new RangeError(`a ring's capacity is a power of two, not ${capacity}`);
  }
  return new SharedArrayBuffer(headerBytes + capacity * recordBytes);
}

/**
 * A ring of samples for one writing and one reading thread, without locks: the writer must never wait.
 * A sample that meets a full ring is dropped and counted.
 */
export class SampleRing {
  readonly #header: Int32Array;
  readonly #records: Float64Array;
  readonly #capacity: number;

  constructor(memory: SharedArrayBuffer) {
    this.#header = new Int32Array(memory, 0, headerBytes / 4);
    this.#records = new Float64Array(memory, headerBytes);
    this.#capacity = this.#records.length / 3;
  }

  /** Returns whether the sample was stored. */
  push(timeNs: Nanoseconds, channel: number, value: number): boolean {
    // Positions count on through 2³², which the capacity divides: their difference stays right.
    const written = Atomics.load(this.#header, slot.written);
    if (((written - Atomics.load(this.#header, slot.read)) | 0) >= this.#capacity) {
      Atomics.add(this.#header, slot.dropped, 1);
      return false;
    }
    const at = (written & (this.#capacity - 1)) * 3;
    this.#records[at] = timeNs;
    this.#records[at + 1] = channel;
    this.#records[at + 2] = value;
    // The store publishes the record: it is seen by whoever sees the new position.
    Atomics.store(this.#header, slot.written, (written + 1) | 0);
    return true;
  }

  /** Takes out every sample written so far, oldest first. */
  drain(): Sample[] {
    const written = Atomics.load(this.#header, slot.written);
    const samples: Sample[] = [];
    let read = Atomics.load(this.#header, slot.read);
    for (; read !== written; read = (read + 1) | 0) {
      const at = (read & (this.#capacity - 1)) * 3;
      samples.push({
        timeNs: this.#records[at]!,
        channel: this.#records[at + 1]!,
        value: this.#records[at + 2]!,
      });
    }
    Atomics.store(this.#header, slot.read, read);
    return samples;
  }

  /** Samples dropped so far because the ring was full. */
  get dropped(): number {
    return Atomics.load(this.#header, slot.dropped) >>> 0;
  }
}
