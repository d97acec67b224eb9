import type { Bytes } from '../../../core/units.js';
import type { LayerCache } from '../../../models/decoder-graph.js';
import { kvBytesPerPosition } from '../../../models/decoder-graph.js';
import type { CacheBlocks, CachedPositions } from '../../engine.js';
import type { Address } from '../native/api.js';
import { elementType, type NativeSession } from '../native/session.js';
import type { DeviceMemory } from './memory.js';
import type { DeviceRowCopy } from './row-copy.js';

/** A sequence's tensors, two for each layer, as rows: [batch × heads × stride, headDim]. */
export interface CacheRows {
  tensors: readonly Address[];
  stride: number;
}

/** A block, and where in a sequence its positions are. */
interface PlacedBlock {
  row: number;
  at: number;
  index: number;
}

/** Blocks in the memory of a GPU: two tensors for each layer, [blocks, heads, blockTokens, headDim]. */
export class DeviceBlocks implements CacheBlocks {
  readonly blockTokens: number;
  readonly rowCopy: DeviceRowCopy;
  readonly #session: NativeSession;
  readonly #blockBytes: Bytes;
  /** Each as rows. */
  readonly #tensors: Address[] = [];

  /** Throws TokenworkError `device-out-of-memory` or `engine-failed`. */
  constructor(
    device: { session: NativeSession; memory: DeviceMemory; rowCopy: DeviceRowCopy },
    layers: readonly LayerCache[],
    blocks: number,
    blockTokens: number,
  ) {
    this.blockTokens = blockTokens;
    this.rowCopy = device.rowCopy;
    this.#session = device.session;
    this.#blockBytes = blockTokens * kvBytesPerPosition(layers);
    try {
      for (const { heads, headDim, dtype } of layers)
        for (let part = 0; part < 2; part++)
          this.#tensors.push(
            device.memory.allocate([blocks * heads * blockTokens, headDim], elementType[dtype]),
          );
      // A provider compiles its kernels when it first runs them, which no request is to pay.
      const first = Int32Array.of(0);
      this.rowCopy.copy(this.#tensors, this.#tensors, () => ({ from: first, to: first }));
    } catch (thrown) {
      this.close();
      throw thrown;
    }
  }

  block(index: number): DeviceBlock {
    return new DeviceBlock(this, index, this.#blockBytes);
  }

  /** Copies blocks into a sequence. */
  copyTo(cache: CacheRows, placed: readonly PlacedBlock[]): void {
    this.rowCopy.copy(this.#tensors, cache.tensors, (heads) => {
      const { inBlocks, inCache } = this.#rowsOf(placed, heads, cache.stride);
      return { from: inBlocks, to: inCache };
    });
  }

  /** Copies positions of a sequence into blocks. */
  copyFrom(cache: CacheRows, placed: readonly PlacedBlock[]): void {
    this.rowCopy.copy(cache.tensors, this.#tensors, (heads) => {
      const { inBlocks, inCache } = this.#rowsOf(placed, heads, cache.stride);
      return { from: inCache, to: inBlocks };
    });
  }

  close(): void {
    for (const tensor of this.#tensors) this.#session.api.releaseValue(tensor);
    this.#tensors.length = 0;
  }

  #rowsOf(placed: readonly PlacedBlock[], heads: number, stride: number) {
    const { blockTokens } = this;
    const inBlocks = new Int32Array(placed.length * heads * blockTokens);
    const inCache = new Int32Array(inBlocks.length);
    let next = 0;
    for (const { row, at, index } of placed)
      for (let head = 0; head < heads; head++)
        for (let position = 0; position < blockTokens; position++) {
          inBlocks[next] = (index * heads + head) * blockTokens + position;
          inCache[next++] = (row * heads + head) * stride + at + position;
        }
    return { inBlocks, inCache };
  }
}

class DeviceBlock implements CachedPositions {
  readonly owner: DeviceBlocks;
  readonly index: number;
  readonly byteLength: Bytes;

  constructor(owner: DeviceBlocks, index: number, byteLength: Bytes) {
    this.owner = owner;
    this.index = index;
    this.byteLength = byteLength;
  }
}

/** The reservation that holds all of these positions, and which of its blocks they are. Throws RangeError. */
export function blocksOf(positions: readonly CachedPositions[]): { owner: DeviceBlocks; indices: number[] } {
  const blocks = positions.filter((each) => each instanceof DeviceBlock);
  const [owner, ...others] = new Set(blocks.map((block) => block.owner));
  if (owner === undefined || others.length > 0 || blocks.length < positions.length)
    throw new RangeError('a cache on a GPU copies from and to blocks of one reservation there');
  return { owner, indices: blocks.map(({ index }) => index) };
}
