import type { EncoderGraph } from '../../../models/encoder/graph.js';
import type { CacheDtype } from '../../../models/graph-input.js';
import type { NodeProto } from '../../../models/onnx/proto.js';
import type { OnnxDevice } from '../../engine.js';
import type { TextBatch } from '../../text-batch.js';
import { type Address, check } from '../native/api.js';
import { readFloats } from '../native/float-output.js';
import { Memory, NativeNames } from '../native/memory.js';
import { elementBytes, elementType, NativeSession } from '../native/session.js';
import { deviceGraph, tensorNamed } from './graph.js';
import { DeviceMemory } from './memory.js';

const inputs = new NativeNames(['x', 'shares']);
const outputs = new NativeNames(['y']);

/**
 * Reduces an encoder's output to the mean over each text's own positions where it lies, on the GPU, so that
 * one vector a text crosses the bus and not one a position. It is a product with each position's share.
 */
export class DeviceMean {
  readonly #encoder: NativeSession;
  readonly #output: EncoderGraph['output'];
  readonly #device: Exclude<OnnxDevice, 'cpu'>;
  readonly #memory: DeviceMemory;
  /** Loaded when it is first needed: not every encoder is averaged. */
  #reducer: NativeSession | null = null;

  constructor(encoder: NativeSession, output: EncoderGraph['output'], device: Exclude<OnnxDevice, 'cpu'>) {
    this.#encoder = encoder;
    this.#output = output;
    this.#device = device;
    this.#memory = new DeviceMemory(encoder.api, encoder.address, device);
  }

  /** A tensor on the GPU for the encoder's output, [batch, positions, size]; whoever takes it releases it. */
  target({ batch, positions }: TextBatch): Address {
    const { size, dtype } = this.#output;
    return this.#memory.allocate([batch, positions, size], elementType[dtype]);
  }

  /** Means [batch, size] of `hidden`, which `target` gave. Throws as `NativeSession.load`. */
  of(hidden: Address, texts: TextBatch): Float32Array {
    this.#reducer ??= NativeSession.load(meanModel(this.#output.dtype), {
      threads: 1,
      device: this.#device,
    });
    const reducer = this.#reducer;
    const { api, address } = reducer;
    const shares = sharesOf(texts);
    const { batch, positions } = texts;
    const shape = BigInt64Array.of(BigInt(batch), 1n, BigInt(positions));
    const given = reducer.tensor(shares.address, shares.byteLength, shape, elementType.fp32);
    const results = new BigUint64Array(1);
    try {
      const status = api.run(
        address,
        null,
        inputs.addresses,
        BigUint64Array.of(hidden, given),
        2,
        outputs.addresses,
        1,
        results,
      );
      check(api, status, 'averaging positions on the GPU');
      return readFloats(reducer, results[0]!, 'fp32');
    } finally {
      if (results[0] !== 0n) api.releaseValue(results[0]!);
      api.releaseValue(given);
      shares.release();
    }
  }

  close(): void {
    this.#reducer?.close();
    this.#encoder.exclusively(() => this.#memory.close());
  }
}

/** Weights of positions in their text's mean, [batch, 1, positions]; 0 for padding. */
function sharesOf({ batch, positions, lengths }: TextBatch): Memory {
  const values = new Float32Array(batch * positions);
  for (const [row, length] of lengths.entries())
    values.fill(1 / length, row * positions, row * positions + length);
  const bytes = values.length * elementBytes.fp32;
  const memory = new Memory(bytes);
  memory.bytes(0, bytes).set(new Uint8Array(values.buffer));
  return memory;
}

function meanModel(dtype: CacheDtype): Uint8Array {
  const { fp32 } = elementType;
  const widening: NodeProto = {
    opType: 'Cast',
    input: ['x'],
    output: ['wide'],
    attribute: [{ name: 'to', type: 2, i: fp32 }],
  };
  const [wide, before] = dtype === 'fp32' ? ['x', []] : ['wide', [widening]];
  return deviceGraph(
    'mean',
    [...before, { opType: 'MatMul', input: ['shares', wide], output: ['y'] }],
    [
      tensorNamed('x', elementType[dtype], ['batch', 'positions', 'size']),
      tensorNamed('shares', fp32, ['batch', 'one', 'positions']),
    ],
    [tensorNamed('y', fp32, ['batch', 'one', 'size'])],
  );
}
