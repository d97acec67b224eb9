import type { Bytes } from '../../../core/units.js';
import type { LayerCache } from '../../../models/decoder-graph.js';
import type { CachedPositions, CacheExport } from '../../engine.js';
import { copyChunksIn, copyOut, type KvPlane } from '../kv-transfer.js';
import { adviseHugePages } from './huge-pages.js';
import { Memory } from './memory.js';
import { elementBytes, elementType, type NativeSession } from './session.js';

/** A sequence's KV tensors, two for each layer (key, value), in the order of the graph's inputs. */
export interface KvCache {
  /**
   * Writes the addresses of a step's tensors into `past`, with what is cached, and `present`, which will
   * hold `totalTokens` positions.
   */
  bind(totalTokens: number, past: BigUint64Array, present: BigUint64Array): void;
  /** The step bound last succeeded: what it wrote is the cache now. */
  commit(): void;
  /** The step bound last failed: the cache is what it was. */
  discard(): void;
  truncate(fromTokens: number, toTokens: number): void;
  /** Copies positions of a row that holds `tokens`. */
  export(tokens: number, row: number, exports: readonly CacheExport[]): void;
  /** Puts chunks that together have `added` positions after the `tokens` of each row. */
  import(tokens: number, added: number, rows: readonly (readonly CachedPositions[])[]): void;
  close(): void;
}

interface Tensor {
  heads: number;
  headDim: number;
  elementBytes: number;
  elementType: number;
  /** Offset in a buffer that holds all tensors at full capacity. */
  offset: number;
}

const alignmentBytes = 64;

/** The tensors of `layers`, laid out one after another, and the bytes they take together. */
function layOut(layers: readonly LayerCache[], batch: number, capacity: number) {
  let bytes = 0;
  const tensors = layers.flatMap(({ heads, headDim, dtype }) =>
    ['key', 'value'].map((): Tensor => {
      const offset = bytes;
      const size = batch * heads * capacity * headDim * elementBytes[dtype];
      bytes += Math.ceil(size / alignmentBytes) * alignmentBytes;
      return { heads, headDim, elementBytes: elementBytes[dtype], elementType: elementType[dtype], offset };
    }),
  );
  return { tensors, bytes };
}

function cacheMemory(bytes: Bytes): Memory {
  const memory = new Memory(bytes);
  adviseHugePages(memory.address, memory.byteLength);
  return memory;
}

/** The tensors in `memory`, whose heads lie `stride` positions apart. */
function planesOf(tensors: readonly Tensor[], memory: Memory, batch: number, stride: number): KvPlane[] {
  return tensors.map(({ heads, headDim, elementBytes, offset }) => {
    const positionBytes = headDim * elementBytes;
    return {
      bytes: memory.bytes(offset, batch * heads * stride * positionBytes),
      heads,
      stride,
      positionBytes,
    };
  });
}

function bytesPerPosition(tensors: readonly Tensor[]): Bytes {
  return tensors.reduce((sum, { heads, headDim, elementBytes }) => sum + heads * headDim * elementBytes, 0);
}

/** Makes the tensors' values over `memory`, as holding `tokens` positions, into `values`. */
function makeValues(
  session: NativeSession,
  tensors: readonly Tensor[],
  memory: Memory,
  shape: { batch: number; tokens: number },
  values: BigUint64Array,
): void {
  const dims = BigInt64Array.of(BigInt(shape.batch), 0n, BigInt(shape.tokens), 0n);
  for (let i = 0; i < tensors.length; i++) {
    const { heads, headDim, elementBytes, elementType, offset } = tensors[i]!;
    dims[1] = BigInt(heads);
    dims[3] = BigInt(headDim);
    const bytes = shape.batch * heads * shape.tokens * headDim * elementBytes;
    values[i] = session.tensor(memory.address + BigInt(offset), bytes, dims, elementType);
  }
}

function releaseValues(session: NativeSession, values: BigUint64Array): void {
  for (const value of values) session.api.releaseValue(value);
  values.fill(0n);
}

/**
 * For graphs whose attention updates its cache in place (GroupQueryAttention): past and present are one
 * buffer of full capacity, made once. The attention mask alone says how much of it counts.
 */
export class InPlaceCache implements KvCache {
  readonly #session: NativeSession;
  readonly #memory: Memory;
  readonly #values: BigUint64Array;
  readonly #planes: KvPlane[];
  readonly #bytesPerPosition: Bytes;

  constructor(session: NativeSession, layers: readonly LayerCache[], batch: number, capacity: number) {
    const { tensors, bytes } = layOut(layers, batch, capacity);
    this.#session = session;
    this.#memory = cacheMemory(bytes);
    this.#values = new BigUint64Array(tensors.length);
    makeValues(session, tensors, this.#memory, { batch, tokens: capacity }, this.#values);
    this.#planes = planesOf(tensors, this.#memory, batch, capacity);
    this.#bytesPerPosition = bytesPerPosition(tensors);
  }

  bind(_totalTokens: number, past: BigUint64Array, present: BigUint64Array): void {
    past.set(this.#values);
    present.set(this.#values);
  }

  commit(): void {}

  discard(): void {}

  truncate(): void {}

  export(_tokens: number, row: number, exports: readonly CacheExport[]): void {
    copyOut(this.#planes, row, exports);
  }

  import(tokens: number, _added: number, rows: readonly (readonly CachedPositions[])[]): void {
    copyChunksIn(this.#planes, tokens, rows, this.#bytesPerPosition);
  }

  close(): void {
    releaseValues(this.#session, this.#values);
    this.#memory.release();
  }
}

/**
 * For graphs that append to their cache by concatenation: two buffers, which take turns at being past
 * and present, so that a step allocates nothing and we copy nothing.
 */
export class AlternatingCache implements KvCache {
  readonly #session: NativeSession;
  readonly #tensors: Tensor[];
  readonly #batch: number;
  #past: { memory: Memory; values: BigUint64Array };
  #present: { memory: Memory; values: BigUint64Array };

  constructor(session: NativeSession, layers: readonly LayerCache[], batch: number, capacity: number) {
    const { tensors, bytes } = layOut(layers, batch, capacity);
    this.#session = session;
    this.#tensors = tensors;
    this.#batch = batch;
    const side = () => ({ memory: cacheMemory(bytes), values: new BigUint64Array(tensors.length) });
    this.#past = side();
    this.#present = side();
    this.#makeValues(this.#past, 0);
  }

  bind(totalTokens: number, past: BigUint64Array, present: BigUint64Array): void {
    this.#makeValues(this.#present, totalTokens);
    past.set(this.#past.values);
    present.set(this.#present.values);
  }

  commit(): void {
    releaseValues(this.#session, this.#past.values);
    [this.#past, this.#present] = [this.#present, this.#past];
  }

  discard(): void {
    releaseValues(this.#session, this.#present.values);
  }

  /** Positions lie inside each head, so the heads move together where positions are dropped. */
  truncate(fromTokens: number, toTokens: number): void {
    for (const { heads, headDim, elementBytes, offset } of this.#tensors) {
      const rows = this.#batch * heads;
      const [from, to] = [fromTokens * headDim * elementBytes, toTokens * headDim * elementBytes];
      const bytes = this.#past.memory.bytes(offset, rows * from);
      for (let row = 1; row < rows; row++) bytes.copyWithin(row * to, row * from, row * from + to);
    }
    releaseValues(this.#session, this.#past.values);
    this.#makeValues(this.#past, toTokens);
  }

  export(tokens: number, row: number, exports: readonly CacheExport[]): void {
    copyOut(planesOf(this.#tensors, this.#past.memory, this.#batch, tokens), row, exports);
  }

  /** Heads lie as far apart as there are positions, so what is cached moves along. */
  import(tokens: number, added: number, rows: readonly (readonly CachedPositions[])[]): void {
    const planes = planesOf(this.#tensors, this.#present.memory, this.#batch, tokens + added);
    const cached = planesOf(this.#tensors, this.#past.memory, this.#batch, tokens);
    for (const [index, plane] of planes.entries()) {
      const { bytes, heads, positionBytes } = cached[index]!;
      const [from, to] = [tokens * positionBytes, (tokens + added) * positionBytes];
      for (let row = 0; row < this.#batch * heads; row++)
        plane.bytes.set(bytes.subarray(row * from, (row + 1) * from), row * to);
    }
    copyChunksIn(planes, tokens, rows, bytesPerPosition(this.#tensors));
    this.#makeValues(this.#present, tokens + added);
    this.commit();
  }

  close(): void {
    releaseValues(this.#session, this.#past.values);
    this.#past.memory.release();
    this.#present.memory.release();
  }

  #makeValues(side: { memory: Memory; values: BigUint64Array }, tokens: number): void {
    makeValues(this.#session, this.#tensors, side.memory, { batch: this.#batch, tokens }, side.values);
  }
}
