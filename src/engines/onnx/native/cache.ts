import type { LayerCache } from '../../../models/decoder-graph.js';
import type { Address } from './api.js';
import { Memory } from './memory.js';
import { elementBytes, elementType, type NativeSession } from './session.js';

/** A sequence's KV tensors, two for each layer (key, value), in the order of the graph's inputs. */
export interface KvCache {
  /**
   * Writes the addresses of the tensors of one step into `past` and `present`: `pastTokens` cached
   * positions go in, `totalTokens` come out.
   */
  bind(pastTokens: number, totalTokens: number, past: BigUint64Array, present: BigUint64Array): void;
  /** The step bound last succeeded: what it wrote is the cache now. */
  commit(): void;
  /** The step bound last failed: the cache is what it was. */
  discard(): void;
  truncate(fromTokens: number, toTokens: number): void;
  close(): void;
}

interface Tensor {
  heads: number;
  headDim: number;
  elementBytes: number;
  elementType: number;
}

function tensorsOf(layers: readonly LayerCache[]): Tensor[] {
  return layers.flatMap(({ heads, headDim, dtype }) => {
    const tensor = { heads, headDim, elementBytes: elementBytes[dtype], elementType: elementType[dtype] };
    return [tensor, tensor];
  });
}

/**
 * For graphs whose attention updates its cache in place (GroupQueryAttention): past and present are one
 * buffer of full capacity, made once. The attention mask alone says how much of it counts.
 */
export class InPlaceCache implements KvCache {
  readonly #session: NativeSession;
  readonly #memory: Memory[] = [];
  readonly #values: BigUint64Array;

  constructor(session: NativeSession, layers: readonly LayerCache[], batch: number, capacity: number) {
    this.#session = session;
    const tensors = tensorsOf(layers);
    this.#values = BigUint64Array.from(tensors, ({ heads, headDim, elementBytes, elementType }) => {
      const bytes = batch * heads * capacity * headDim * elementBytes;
      const memory = new Memory(bytes);
      this.#memory.push(memory);
      const shape = BigInt64Array.of(BigInt(batch), BigInt(heads), BigInt(capacity), BigInt(headDim));
      return session.tensor(memory.address, bytes, shape, elementType);
    });
  }

  bind(_pastTokens: number, _totalTokens: number, past: BigUint64Array, present: BigUint64Array): void {
    past.set(this.#values);
    present.set(this.#values);
  }

  commit(): void {}

  discard(): void {}

  truncate(): void {}

  close(): void {
    for (const value of this.#values) this.#session.api.releaseValue(value);
    for (const memory of this.#memory) memory.release();
  }
}

/**
 * For graphs that append to their cache by concatenation: two buffers a tensor, which take turns at
 * being past and present, so that a step allocates nothing and we copy nothing.
 */
export class AlternatingCache implements KvCache {
  readonly #session: NativeSession;
  readonly #tensors: Tensor[];
  readonly #batch: number;
  readonly #shape: BigInt64Array;
  #past: { memory: Memory[]; values: BigUint64Array };
  #present: { memory: Memory[]; values: BigUint64Array };

  constructor(session: NativeSession, layers: readonly LayerCache[], batch: number, capacity: number) {
    this.#session = session;
    this.#tensors = tensorsOf(layers);
    this.#batch = batch;
    this.#shape = BigInt64Array.of(BigInt(batch), 0n, 0n, 0n);
    const side = () => ({
      memory: this.#tensors.map(
        ({ heads, headDim, elementBytes }) => new Memory(batch * heads * capacity * headDim * elementBytes),
      ),
      values: new BigUint64Array(this.#tensors.length),
    });
    this.#past = side();
    this.#present = side();
    this.#shapeTensors(this.#past, 0);
  }

  bind(_pastTokens: number, totalTokens: number, past: BigUint64Array, present: BigUint64Array): void {
    this.#shapeTensors(this.#present, totalTokens);
    past.set(this.#past.values);
    present.set(this.#present.values);
  }

  commit(): void {
    this.#release(this.#past.values);
    [this.#past, this.#present] = [this.#present, this.#past];
  }

  discard(): void {
    this.#release(this.#present.values);
  }

  /** Positions lie inside each head, so the heads move together where positions are dropped. */
  truncate(fromTokens: number, toTokens: number): void {
    for (const [i, { heads, headDim, elementBytes }] of this.#tensors.entries()) {
      const bytes = this.#past.memory[i]!.bytes();
      const [from, to] = [fromTokens * headDim * elementBytes, toTokens * headDim * elementBytes];
      for (let row = 1; row < this.#batch * heads; row++)
        bytes.copyWithin(row * to, row * from, row * from + to);
    }
    this.#release(this.#past.values);
    this.#shapeTensors(this.#past, toTokens);
  }

  close(): void {
    this.#release(this.#past.values);
    for (const memory of [...this.#past.memory, ...this.#present.memory]) memory.release();
  }

  #shapeTensors(side: { memory: Memory[]; values: BigUint64Array }, tokens: number): void {
    const { length } = this.#tensors;
    for (let i = 0; i < length; i++) {
      const { heads, headDim, elementBytes, elementType } = this.#tensors[i]!;
      this.#shape[1] = BigInt(heads);
      this.#shape[2] = BigInt(tokens);
      this.#shape[3] = BigInt(headDim);
      const bytes = this.#batch * heads * tokens * headDim * elementBytes;
      side.values[i] = this.#session.tensor(side.memory[i]!.address, bytes, this.#shape, elementType);
    }
  }

  #release(values: BigUint64Array): void {
    for (const value of values) this.#session.api.releaseValue(value as Address);
    values.fill(0n);
  }
}
