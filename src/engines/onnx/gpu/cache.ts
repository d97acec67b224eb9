import type { LayerCache } from '../../../models/decoder-graph.js';
import type { CachedPositions, CacheExport } from '../../engine.js';
import type { Address } from '../native/api.js';
import type { KvCache } from '../native/cache.js';
import { elementBytes, elementType, type NativeSession } from '../native/session.js';
import { blocksOf, type CacheRows } from './blocks.js';
import type { DeviceMemory } from './memory.js';
import type { RowMoves } from './row-copy.js';
import type { DeviceSlices } from './slice.js';

/** The parts that a cache on a GPU is made from. */
interface DeviceCacheShape {
  session: NativeSession;
  memory: DeviceMemory;
  slices: DeviceSlices;
  layers: readonly LayerCache[];
  batch: number;
  capacity: number;
}

/** Positions lie inside each head: [batch, heads, positions, headDim]. */
const positionAxis = 2;
const rank = 4;

/** One tensor for each layer's keys and one for its values, with room for `capacity` positions. */
function allocate({ memory, session, layers, batch, capacity }: DeviceCacheShape): Address[] {
  const made: Address[] = [];
  try {
    for (const { heads, headDim, dtype } of layers)
      for (let part = 0; part < 2; part++)
        made.push(memory.allocate([batch, heads, capacity, headDim], elementType[dtype]));
    return made;
  } catch (thrown) {
    release(session, made);
    throw thrown;
  }
}

function release(session: NativeSession, values: Iterable<Address>): void {
  for (const value of values) if (value !== 0n) session.api.releaseValue(value);
}

/** Hands the tensors on as rows, when heads lie `stride` positions apart in them. */
function withRows(
  { memory, session, layers, batch }: DeviceCacheShape,
  owners: readonly Address[],
  stride: number,
  use: (rows: CacheRows) => void,
): void {
  const tensors: Address[] = [];
  try {
    for (const [i, owner] of owners.entries()) {
      const { heads, headDim, dtype } = layers[i >> 1]!;
      const dims = [batch * heads * stride, headDim];
      tensors.push(memory.view(owner, dims, elementBytes[dtype], elementType[dtype]));
    }
    use({ tensors, stride });
  } finally {
    release(session, tensors);
  }
}

function exportBlocks(cache: CacheRows, row: number, exports: readonly CacheExport[]): void {
  const { owner, indices } = blocksOf(exports.map(({ target }) => target));
  owner.copyFrom(
    cache,
    indices.map((index, i) => ({ row, at: exports[i]!.from, index })),
  );
}

/** Puts each row's chunks in turn, from position `at` on. */
function importBlocks(cache: CacheRows, at: number, rows: readonly (readonly CachedPositions[])[]): void {
  const { owner, indices } = blocksOf(rows.flat());
  const perRow = indices.length / rows.length;
  owner.copyTo(
    cache,
    indices.map((index, i) => {
      const row = Math.floor(i / perRow);
      return { row, at: at + (i - row * perRow) * owner.blockTokens, index };
    }),
  );
}

/** An `InPlaceCache` in the memory of a GPU. */
export class DeviceInPlaceCache implements KvCache {
  readonly #shape: DeviceCacheShape;
  readonly #values: Address[];

  constructor(shape: DeviceCacheShape) {
    this.#shape = shape;
    this.#values = allocate(shape);
  }

  bind(_totalTokens: number, past: BigUint64Array, present: BigUint64Array): void {
    past.set(this.#values);
    present.set(this.#values);
  }

  commit(): void {}

  discard(): void {}

  /** The attention mask alone says how much of it counts. */
  truncate(): void {}

  export(_tokens: number, row: number, exports: readonly CacheExport[]): void {
    withRows(this.#shape, this.#values, this.#shape.capacity, (cache) => exportBlocks(cache, row, exports));
  }

  import(tokens: number, _added: number, rows: readonly (readonly CachedPositions[])[]): void {
    withRows(this.#shape, this.#values, this.#shape.capacity, (cache) => importBlocks(cache, tokens, rows));
  }

  close(): void {
    release(this.#shape.session, this.#values);
  }
}

/** An `AlternatingCache` in the memory of a GPU. */
export class DeviceAlternatingCache implements KvCache {
  readonly #shape: DeviceCacheShape;
  #past: Side;
  #present: Side;

  constructor(shape: DeviceCacheShape) {
    this.#shape = shape;
    this.#past = new Side(shape);
    try {
      this.#present = new Side(shape);
    } catch (thrown) {
      this.#past.close();
      throw thrown;
    }
    this.#past.hold(0);
  }

  bind(totalTokens: number, past: BigUint64Array, present: BigUint64Array): void {
    this.#present.hold(totalTokens);
    past.set(this.#past.views);
    present.set(this.#present.views);
  }

  commit(): void {
    [this.#past, this.#present] = [this.#present, this.#past];
  }

  discard(): void {}

  truncate(_fromTokens: number, toTokens: number): void {
    this.#present.hold(toTokens);
    // WebGPU has no buffers without bytes to copy between.
    if (toTokens > 0) {
      const { slices, layers } = this.#shape;
      for (let i = 0; i < this.#past.views.length; i++) {
        const slice = slices.of(layers[i >> 1]!.dtype, rank);
        slice.copy(this.#past.views[i]!, this.#present.views[i]!, positionAxis, 0, toTokens);
      }
    }
    this.commit();
  }

  export(tokens: number, row: number, exports: readonly CacheExport[]): void {
    withRows(this.#shape, this.#past.owners, tokens, (cache) => exportBlocks(cache, row, exports));
  }

  /** Heads lie as far apart as there are positions, so what is cached moves along. */
  import(tokens: number, added: number, rows: readonly (readonly CachedPositions[])[]): void {
    const { batch } = this.#shape;
    const { rowCopy } = blocksOf(rows.flat()).owner;
    withRows(this.#shape, this.#present.owners, tokens + added, (present) => {
      if (tokens > 0)
        withRows(this.#shape, this.#past.owners, tokens, (past) =>
          rowCopy.copy(past.tensors, present.tensors, (heads) => movedRows(batch * heads, past, present)),
        );
      importBlocks(present, tokens, rows);
    });
    this.#present.hold(tokens + added);
    this.commit();
  }

  close(): void {
    this.#past.close();
    this.#present.close();
  }
}

/** Every row of `past`, and where it lies in `present`, which has room for more positions of each head. */
function movedRows(heads: number, past: CacheRows, present: CacheRows): RowMoves {
  const from = Int32Array.from({ length: heads * past.stride }, (_, row) => row);
  const to = from.map((row) => {
    const head = Math.floor(row / past.stride);
    return head * present.stride + (row - head * past.stride);
  });
  return { from, to };
}

/** Tensors of full capacity, and views on as much of them as a step reads or writes. */
class Side {
  readonly #shape: DeviceCacheShape;
  readonly owners: Address[];
  readonly views: BigUint64Array;

  constructor(shape: DeviceCacheShape) {
    this.#shape = shape;
    this.owners = allocate(shape);
    this.views = new BigUint64Array(this.owners.length);
  }

  hold(tokens: number): void {
    const { session, memory, layers, batch } = this.#shape;
    release(session, this.views);
    this.views.fill(0n);
    for (const [i, owner] of this.owners.entries()) {
      const { heads, headDim, dtype } = layers[i >> 1]!;
      const dims = [batch, heads, tokens, headDim];
      this.views[i] = memory.view(owner, dims, elementBytes[dtype], elementType[dtype]);
    }
  }

  close(): void {
    release(this.#shape.session, this.views);
    release(this.#shape.session, this.owners);
  }
}
