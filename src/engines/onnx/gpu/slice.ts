import type { CacheDtype } from '../../../models/decoder-graph.js';
import type { OnnxDevice } from '../../engine.js';
import { type Address, check } from '../native/api.js';
import { Memory, NativeNames } from '../native/memory.js';
import { elementType, NativeSession } from '../native/session.js';
import { deviceGraph, tensorNamed } from './graph.js';

const inputs = new NativeNames(['x', 'starts', 'ends', 'axes']);
const outputs = new NativeNames(['y']);

/**
 * Copies a range of a tensor on the GPU, which ONNX Runtime's C API has no call for: a session of one Slice.
 */
export class DeviceSlice {
  readonly #session: NativeSession;
  readonly #memory = new Memory(3 * 8);
  readonly #bounds: BigInt64Array;
  readonly #values: BigUint64Array;

  /** Throws as `NativeSession.load`. */
  constructor(dtype: CacheDtype, rank: number, device: Exclude<OnnxDevice, 'cpu'>) {
    this.#session = NativeSession.load(sliceModel(elementType[dtype], rank), { threads: 1, device });
    this.#bounds = this.#memory.int64();
    this.#values = new BigUint64Array(4);
    for (let i = 0; i < 3; i++) {
      const address = this.#memory.address + BigInt(i * 8);
      this.#values[i + 1] = this.#session.tensor(address, 8, BigInt64Array.of(1n), elementType.int64);
    }
  }

  /** Writes positions `from` to `to` of `axis` of `source` into `target`, wherever that lies. */
  copy(source: Address, target: Address, axis: number, from: number, to: number): void {
    const { api, address } = this.#session;
    this.#bounds.set([BigInt(from), BigInt(to), BigInt(axis)]);
    this.#values[0] = source;
    const status = api.run(
      address,
      null,
      inputs.addresses,
      this.#values,
      this.#values.length,
      outputs.addresses,
      1,
      BigUint64Array.of(target),
    );
    check(api, status, 'copying on the GPU');
  }

  close(): void {
    for (const value of this.#values.subarray(1)) this.#session.api.releaseValue(value);
    this.#session.close();
    this.#memory.release();
  }
}

/** The slices of a decoder, each made when it is first needed. */
export class DeviceSlices {
  readonly #device: Exclude<OnnxDevice, 'cpu'>;
  readonly #slices = new Map<string, DeviceSlice>();

  constructor(device: Exclude<OnnxDevice, 'cpu'>) {
    this.#device = device;
  }

  of(dtype: CacheDtype, rank: number): DeviceSlice {
    const key = `${dtype}/${rank}`;
    const made = this.#slices.get(key) ?? new DeviceSlice(dtype, rank, this.#device);
    this.#slices.set(key, made);
    return made;
  }

  close(): void {
    for (const slice of this.#slices.values()) slice.close();
    this.#slices.clear();
  }
}

function sliceModel(type: number, rank: number): Uint8Array {
  const dims = (of: string) => Array.from({ length: rank }, (_, i) => `${of}${i}`);
  const bound = (name: string) => tensorNamed(name, elementType.int64, ['one']);
  return deviceGraph(
    'slice',
    [{ opType: 'Slice', input: ['x', 'starts', 'ends', 'axes'], output: ['y'] }],
    [tensorNamed('x', type, dims('x')), bound('starts'), bound('ends'), bound('axes')],
    [tensorNamed('y', type, dims('y'))],
  );
}
