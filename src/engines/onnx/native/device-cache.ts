import { TokenworkError } from '../../../core/errors.js';
import type { LayerCache } from '../../../models/decoder-graph.js';
import type { Address } from './api.js';
import type { KvCache } from './cache.js';
import type { DeviceMemory } from './device-memory.js';
import type { DeviceSlices } from './device-slice.js';
import { elementBytes, elementType, type NativeSession } from './session.js';

/** What a cache on a GPU is made from. */
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

function notHere(): TokenworkError {
  return new TokenworkError(
    'unsupported-on-device',
    'The KV cache is in the memory of the GPU, which cached positions do not leave.',
    'Run workloads that reuse prefixes of earlier requests with --device cpu.',
  );
}

/** As `InPlaceCache`, in the memory of a GPU. */
export class DeviceInPlaceCache implements KvCache {
  readonly #session: NativeSession;
  readonly #values: Address[];

  constructor(shape: DeviceCacheShape) {
    this.#session = shape.session;
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

  export(): void {
    throw notHere();
  }

  import(): void {
    throw notHere();
  }

  close(): void {
    release(this.#session, this.#values);
  }
}

/** As `AlternatingCache`, in the memory of a GPU. */
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

  export(): void {
    throw notHere();
  }

  import(): void {
    throw notHere();
  }

  close(): void {
    this.#past.close();
    this.#present.close();
  }
}

/** Tensors of full capacity, and views on as much of them as a step reads or writes. */
class Side {
  readonly #shape: DeviceCacheShape;
  readonly #owners: Address[];
  readonly views: BigUint64Array;

  constructor(shape: DeviceCacheShape) {
    this.#shape = shape;
    this.#owners = allocate(shape);
    this.views = new BigUint64Array(this.#owners.length);
  }

  hold(tokens: number): void {
    const { session, memory, layers, batch } = this.#shape;
    release(session, this.views);
    this.views.fill(0n);
    for (const [i, owner] of this.#owners.entries()) {
      const { heads, headDim, dtype } = layers[i >> 1]!;
      const dims = [batch, heads, tokens, headDim];
      this.views[i] = memory.view(owner, dims, elementBytes[dtype], elementType[dtype]);
    }
  }

  close(): void {
    release(this.#shape.session, this.views);
    release(this.#shape.session, this.#owners);
  }
}
