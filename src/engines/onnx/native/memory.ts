import koffi from 'koffi';
import type { Address } from './api.js';

/** TypeScript's es2023 library does not know resizable buffers; Node has them since version 20. */
interface ResizableBuffer extends ArrayBuffer {
  resize(byteLength: number): void;
}
const ResizableBuffer = ArrayBuffer as unknown as new (
  byteLength: number,
  options: { maxByteLength: number },
) => ResizableBuffer;

/**
 * Zeroed memory that native code reads and writes, page-aligned.
 *
 * It is a resizable ArrayBuffer for two reasons. Shrinking it to nothing gives the pages back at once,
 * where an ordinary buffer waits for the garbage collector and so lands in some later request's peak
 * memory. And views left over after that are empty, where views on freed native memory would crash.
 * The price is slower element access from JavaScript: use it for what JavaScript hardly touches.
 */
export class Memory {
  readonly address: Address;
  readonly byteLength: number;
  readonly #buffer: ResizableBuffer;

  constructor(byteLength: number) {
    // An empty buffer has no address, and ONNX Runtime wants one even for tensors without elements.
    const size = Math.max(byteLength, 64);
    this.#buffer = new ResizableBuffer(size, { maxByteLength: size });
    this.byteLength = size;
    this.address = koffi.address(new Uint8Array(this.#buffer, 0, 1));
  }

  bytes(offset: number, length: number): Uint8Array {
    return new Uint8Array(this.#buffer, offset, length);
  }

  int32(): Int32Array {
    return new Int32Array(this.#buffer, 0, Math.floor(this.byteLength / 4));
  }

  int64(): BigInt64Array {
    return new BigInt64Array(this.#buffer, 0, Math.floor(this.byteLength / 8));
  }

  /** Gives the pages back; tensors over this memory must not be used any more. */
  release(): void {
    this.#buffer.resize(0);
  }
}

/** Names as a C array of C strings, for as long as the object lives. */
export class NativeNames {
  readonly addresses: BigUint64Array;
  readonly #text: Buffer;

  constructor(names: readonly string[]) {
    const terminated = names.map((name) => Buffer.from(`${name}\0`));
    // Not Buffer.from or concat: those may lie in a pool shared with other buffers.
    this.#text = Buffer.alloc(terminated.reduce((sum, name) => sum + name.length, 1));
    const start: bigint = koffi.address(this.#text);
    let offset = 0;
    this.addresses = BigUint64Array.from(terminated, (name) => {
      const address = start + BigInt(offset);
      name.copy(this.#text, offset);
      offset += name.length;
      return address;
    });
  }
}
