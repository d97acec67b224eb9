import { createRandom, deriveSeed, type Random } from '../../stats/random.js';
import type { Dtype } from '../dtype.js';
import { halfBits } from '../half.js';

/** ONNX element types the builder writes. */
export const elementType = { float: 1, uint8: 2, int32: 6, int64: 7, bool: 9, float16: 10 } as const;
export type ElementType = (typeof elementType)[keyof typeof elementType];

/** The element type of activations, norms and the KV cache. */
export function floatTypeOf(dtype: Dtype): ElementType {
  return dtype === 'fp16' ? elementType.float16 : elementType.float;
}

/** The content of a tensor. `values` are part of the graph's logic, so they are written even without weights. */
export type Fill =
  | { kind: 'values'; bytes: Uint8Array }
  | { kind: 'uniform'; low: number; high: number }
  /** Random bytes, for 8-bit codes. */
  | { kind: 'bytes' }
  /** Random bytes without a zero nibble: 4-bit codes 1 to 15, symmetric about the zero point 8. */
  | { kind: 'nibbles' }
  /** cos or sin of position · theta^(−2i/dimension), [positions, dimension/2]. */
  | { kind: 'rotary'; of: 'cos' | 'sin'; theta: number; dimension: number };

export interface TensorSpec {
  name: string;
  dims: number[];
  dataType: ElementType;
  fill: Fill;
}

const bytesPerElement: Record<ElementType, number> = { 1: 4, 2: 1, 6: 4, 7: 8, 9: 1, 10: 2 };
const chunkWords = 1 << 18;

function elementCount({ dims }: TensorSpec): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

export function byteLength(tensor: TensorSpec): number {
  return elementCount(tensor) * bytesPerElement[tensor.dataType];
}

/**
 * The tensor's bytes, little-endian, in chunks of about a megabyte; a chunk is valid until the next is
 * asked for. The same tensor and seed give the same bytes.
 */
export function* tensorBytes(tensor: TensorSpec, seed: number): Generator<Uint8Array> {
  const { fill } = tensor;
  switch (fill.kind) {
    case 'values':
      yield fill.bytes;
      return;
    case 'rotary':
      yield* rotaryTable(tensor, fill);
      return;
    case 'uniform':
      if (tensor.dataType === elementType.float16) yield* uniformHalves(tensor, seed);
      else yield* uniform(tensor, fill, streamOf(tensor, seed));
      return;
    default:
      yield* codes(byteLength(tensor), fill.kind, streamOf(tensor, seed));
  }
}

/** Every tensor has a stream of its own, so the order in which tensors are written does not matter. */
function streamOf({ name }: TensorSpec, seed: number): Random {
  return createRandom(deriveSeed(seed, ...Buffer.from(name)));
}

function* uniform(
  tensor: TensorSpec,
  { low, high }: { low: number; high: number },
  random: Random,
): Generator<Uint8Array> {
  const words = new Uint32Array(chunkWords);
  const floats = new Float32Array(chunkWords);
  const step = (high - low) / 2 ** 32;
  for (let left = elementCount(tensor); left > 0; left -= chunkWords) {
    const count = Math.min(left, chunkWords);
    const drawn = words.subarray(0, count);
    random.fill(drawn);
    for (let index = 0; index < count; index++) floats[index] = low + drawn[index]! * step;
    yield new Uint8Array(floats.buffer, 0, count * 4);
  }
}

/** The elements of a random half-precision tensor, in the order they are stored in. */
export interface HalfStream {
  /** Fills `target` with the next elements. */
  fill(target: Uint16Array): void;
  /** Passes over elements, many at the cost of few. */
  skip(elements: number): void;
}

/** The elements that `tensorBytes` gives. Throws RangeError for a tensor that is of another kind. */
export function halfStream(tensor: TensorSpec, seed: number): HalfStream {
  const { fill, dataType, name } = tensor;
  if (fill.kind !== 'uniform' || dataType !== elementType.float16)
    throw new RangeError(`${name} is no tensor of random halves`);
  const random = streamOf(tensor, seed);
  const levels = levelsOf(fill.low, fill.high);
  return { fill: (target) => random.fillFrom(levels, target), skip: random.skip };
}

function* uniformHalves(tensor: TensorSpec, seed: number): Generator<Uint8Array> {
  const stream = halfStream(tensor, seed);
  const halves = new Uint16Array(chunkWords);
  for (let left = elementCount(tensor); left > 0; left -= chunkWords) {
    const drawn = halves.subarray(0, Math.min(left, chunkWords));
    stream.fill(drawn);
    yield new Uint8Array(halves.buffer, 0, drawn.byteLength);
  }
}

const levelsByRange = new Map<string, Uint16Array>();

/** 2^16 levels across a range: more than a half's mantissa resolves, and a lookup is fast. Many tensors share a range. */
function levelsOf(low: number, high: number): Uint16Array {
  const range = `${low} ${high}`;
  const known = levelsByRange.get(range);
  if (known) return known;
  const levels = Uint16Array.from({ length: 65536 }, (_, level) =>
    halfBits(low + ((high - low) * (level + 0.5)) / 65536),
  );
  levelsByRange.set(range, levels);
  return levels;
}

function* codes(bytes: number, kind: 'bytes' | 'nibbles', random: Random): Generator<Uint8Array> {
  const words = new Uint32Array(chunkWords);
  for (let left = bytes; left > 0; left -= chunkWords * 4) {
    const count = Math.min(Math.ceil(left / 4), chunkWords);
    const drawn = words.subarray(0, count);
    random.fill(drawn);
    if (kind === 'nibbles') {
      for (let index = 0; index < count; index++) {
        const word = drawn[index]!;
        const pairs = word | (word >>> 1);
        const zeroNibbles = ~(pairs | (pairs >>> 2)) & 0x11111111;
        drawn[index] = word | (zeroNibbles << 3);
      }
    }
    yield new Uint8Array(words.buffer, 0, Math.min(left, count * 4));
  }
}

function* rotaryTable(
  tensor: TensorSpec,
  { of, theta, dimension }: { of: 'cos' | 'sin'; theta: number; dimension: number },
): Generator<Uint8Array> {
  const positions = tensor.dims[0]!;
  const pairs = dimension / 2;
  const half = tensor.dataType === elementType.float16;
  const frequencies = Float64Array.from({ length: pairs }, (_, pair) => theta ** ((-2 * pair) / dimension));
  const rowsPerChunk = Math.max(1, Math.floor(chunkWords / pairs));
  for (let first = 0; first < positions; first += rowsPerChunk) {
    const rows = Math.min(rowsPerChunk, positions - first);
    const table = half ? new Uint16Array(rows * pairs) : new Float32Array(rows * pairs);
    for (let row = 0; row < rows; row++) {
      for (let pair = 0; pair < pairs; pair++) {
        const value = Math[of]((first + row) * frequencies[pair]!);
        table[row * pairs + pair] = half ? halfBits(value) : value;
      }
    }
    yield new Uint8Array(table.buffer);
  }
}
