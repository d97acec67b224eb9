import type { TensorProto } from './proto.js';

/** TensorProto.DataType. */
export const DataType = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
  float8e4m3fn: 17,
  float8e4m3fnuz: 18,
  float8e5m2: 19,
  float8e5m2fnuz: 20,
  uint4: 21,
  int4: 22,
  float4e2m1: 23,
} as const;

const bitsOf: Record<number, number> = {
  [DataType.float]: 32,
  [DataType.uint8]: 8,
  [DataType.int8]: 8,
  [DataType.uint16]: 16,
  [DataType.int16]: 16,
  [DataType.int32]: 32,
  [DataType.int64]: 64,
  [DataType.bool]: 8,
  [DataType.float16]: 16,
  [DataType.double]: 64,
  [DataType.uint32]: 32,
  [DataType.uint64]: 64,
  14: 64, // complex64
  15: 128, // complex128
  [DataType.bfloat16]: 16,
  [DataType.float8e4m3fn]: 8,
  [DataType.float8e4m3fnuz]: 8,
  [DataType.float8e5m2]: 8,
  [DataType.float8e5m2fnuz]: 8,
  [DataType.uint4]: 4,
  [DataType.int4]: 4,
  [DataType.float4e2m1]: 4,
};

const floats = new Set<number>([
  DataType.float,
  DataType.float16,
  DataType.double,
  DataType.bfloat16,
  DataType.float8e4m3fn,
  DataType.float8e4m3fnuz,
  DataType.float8e5m2,
  DataType.float8e5m2fnuz,
  DataType.float4e2m1,
]);

export function isFloat(dataType: number): boolean {
  return floats.has(dataType);
}

/** Number of elements of a tensor of that shape. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const extent of shape) count *= extent;
  return count;
}

/** Bytes that many elements take; 4-bit elements are packed in pairs. Strings count as 0. */
export function storedBytes(dataType: number, elements: number): number {
  return Math.ceil((elements * (bitsOf[dataType] ?? 0)) / 8);
}

/**
 * The elements of a tensor stored inside the file, row-major, as numbers; undefined where it has more
 * than `limit`, is stored elsewhere, holds no data, or is of a type without plain numbers (strings, 4-bit,
 * 8-bit floats).
 */
export function numbersOf(tensor: TensorProto, limit: number): number[] | undefined {
  const count = elementCount(tensor.dims ?? []);
  if (count > limit || tensor.dataLocation === 1) return undefined;
  const typed = tensor.floatData ?? tensor.int64Data ?? tensor.doubleData ?? tensor.uint64Data;
  if (typed?.length === count) return typed;
  const type = tensor.dataType ?? 0;
  if (tensor.int32Data?.length === count) {
    return type === DataType.float16 ? tensor.int32Data.map(halfToNumber) : tensor.int32Data;
  }
  if (count === 0) return [];
  const read = numberReader(tensor);
  return read && Array.from({ length: count }, (_, index) => read(index));
}

/** Reads single elements of a tensor whose raw bytes are inside the file; undefined for any other. */
export function numberReader(tensor: TensorProto | undefined): ((index: number) => number) | undefined {
  const type = tensor?.dataType ?? 0;
  const read = readers[type];
  const raw = tensor?.rawData;
  const bytes = storedBytes(type, 1);
  if (!read || raw?.byteLength !== elementCount(tensor?.dims ?? []) * bytes || raw.byteLength === 0)
    return undefined;
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  return (index) => read(view, index * bytes);
}

const readers: Record<number, (view: DataView, at: number) => number> = {
  [DataType.float]: (view, at) => view.getFloat32(at, true),
  [DataType.double]: (view, at) => view.getFloat64(at, true),
  [DataType.float16]: (view, at) => halfToNumber(view.getUint16(at, true)),
  [DataType.int8]: (view, at) => view.getInt8(at),
  [DataType.uint8]: (view, at) => view.getUint8(at),
  [DataType.bool]: (view, at) => view.getUint8(at),
  [DataType.int16]: (view, at) => view.getInt16(at, true),
  [DataType.uint16]: (view, at) => view.getUint16(at, true),
  [DataType.int32]: (view, at) => view.getInt32(at, true),
  [DataType.uint32]: (view, at) => view.getUint32(at, true),
  [DataType.int64]: (view, at) => Number(view.getBigInt64(at, true)),
  [DataType.uint64]: (view, at) => Number(view.getBigUint64(at, true)),
};

/** IEEE 754 binary16, given as its bits. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
