import type { IndexInput } from '../../../models/decoder-graph.js';
import { Memory } from './memory.js';
import { elementBytes, elementType, type NativeSession } from './session.js';

/** An integer input whose memory is made once; its tensor is made anew only when its shape changes. */
export class IndexTensor {
  readonly #session: NativeSession;
  readonly #input: IndexInput;
  readonly #memory: Memory;
  readonly #view: BigInt64Array | Int32Array;
  readonly #shape: BigInt64Array;
  #elements = -1;
  #value = 0n;

  /** `rank` dimensions: the batch, then (with rank 2) as many columns as `shaped` is asked for. */
  constructor(session: NativeSession, input: IndexInput, batch: number, columns: number) {
    this.#session = session;
    this.#input = input;
    this.#memory = new Memory(batch * columns * elementBytes[input.dtype]);
    this.#view = input.dtype === 'int64' ? this.#memory.int64() : this.#memory.int32();
    this.#shape = new BigInt64Array(input.rank).fill(BigInt(batch));
  }

  set(index: number, value: number): void {
    if (this.#view instanceof BigInt64Array) this.#view[index] = BigInt(value);
    else this.#view[index] = value;
  }

  copy(values: BigInt64Array): void {
    if (this.#view instanceof BigInt64Array) this.#view.set(values);
    else for (let i = 0; i < values.length; i++) this.#view[i] = Number(values[i]);
  }

  fill(value: number): void {
    if (this.#view instanceof BigInt64Array) this.#view.fill(BigInt(value));
    else this.#view.fill(value);
  }

  /** The address of the tensor over the first `elements` elements, with `columns` as last dimension. */
  shaped(elements: number, columns: number): bigint {
    if (elements === this.#elements) return this.#value;
    this.#releaseValue();
    if (this.#shape.length > 0) this.#shape[this.#shape.length - 1] = BigInt(columns);
    const bytes = elements * elementBytes[this.#input.dtype];
    this.#value = this.#session.tensor(
      this.#memory.address,
      bytes,
      this.#shape,
      elementType[this.#input.dtype],
    );
    this.#elements = elements;
    return this.#value;
  }

  close(): void {
    this.#releaseValue();
    this.#memory.release();
  }

  #releaseValue(): void {
    if (this.#value !== 0n) this.#session.api.releaseValue(this.#value);
    this.#value = 0n;
    this.#elements = -1;
  }
}
