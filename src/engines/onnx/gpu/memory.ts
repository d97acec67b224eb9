import type { OnnxDevice } from '../../engine.js';
import { type Address, check, type OrtApi, type Status } from '../native/api.js';
import { providers } from '../native/provider.js';

const deviceAllocator = 0;
const defaultMemory = 0;

/** Memory of the GPU that a session runs on. */
export class DeviceMemory {
  readonly #api: OrtApi;
  readonly #memory: Address;
  readonly #allocator: Address;

  /** The session must outlive it. Throws TokenworkError `engine-failed`. */
  constructor(api: OrtApi, session: Address, device: Exclude<OnnxDevice, 'cpu'>) {
    this.#api = api;
    this.#memory = this.#make((out) =>
      api.createMemoryInfo(providers[device].memory, deviceAllocator, 0, defaultMemory, out),
    );
    this.#allocator = this.#make((out) => api.createAllocator(session, this.#memory, out));
  }

  /** A tensor with memory of its own, to be released by `releaseValue`; what is in it is not defined. */
  allocate(shape: readonly number[], elementType: number): Address {
    const dims = BigInt64Array.from(shape, BigInt);
    return this.#make((out) =>
      this.#api.createTensorAsOrtValue(this.#allocator, dims, dims.length, elementType, out),
    );
  }

  /** A tensor over the memory of `owner`, which has room for it and outlives it. */
  view(owner: Address, shape: readonly number[], elementBytes: number, elementType: number): Address {
    // For WebGPU this is a buffer's handle and for CUDA an address: good to hand on, not to reckon with.
    const data = this.#make((out) => this.#api.getTensorMutableData(owner, out));
    const dims = BigInt64Array.from(shape, BigInt);
    const bytes = shape.reduce((product, dim) => product * dim, elementBytes);
    return this.#make((out) =>
      this.#api.createTensorWithDataAsOrtValue(
        this.#memory,
        data,
        bytes,
        dims,
        dims.length,
        elementType,
        out,
      ),
    );
  }

  close(): void {
    this.#api.releaseAllocator(this.#allocator);
  }

  #make(call: (out: BigUint64Array) => Status): Address {
    const out = new BigUint64Array(1);
    check(this.#api, call(out), 'allocating memory of the GPU');
    return out[0]!;
  }
}
