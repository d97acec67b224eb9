import { expect, test } from 'vitest';
import { DataType, numbersOf, storedBytes } from './tensor-data.js';

test.each([
  // IEEE 754 binary16: one, minus two, the largest, the smallest, infinity.
  [
    DataType.float16,
    Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00),
    [1, -2, 65504, 2 ** -24, Number.POSITIVE_INFINITY],
  ],
  [DataType.float, Float32Array.of(1.5, -0.25), [1.5, -0.25]],
  [DataType.int64, BigInt64Array.of(-1n, 7n), [-1, 7]],
  [DataType.int8, Int8Array.of(-128, 3), [-128, 3]],
  [DataType.bool, Uint8Array.of(0, 1), [0, 1]],
])('reads raw data of type %d, wherever in its buffer it begins', (dataType, data, expected) => {
  const padded = new Uint8Array(data.byteLength + 3);
  padded.set(new Uint8Array(data.buffer), 3);
  expect(numbersOf({ dims: [expected.length], dataType, rawData: padded.subarray(3) }, 10)).toEqual(expected);
});

test('reads typed fields, halves among them kept as bits', () => {
  expect(numbersOf({ dims: [2], dataType: DataType.int64, int64Data: [4, 5] }, 10)).toEqual([4, 5]);
  expect(numbersOf({ dims: [1], dataType: DataType.float16, int32Data: [0x3c00] }, 10)).toEqual([1]);
});

test('gives nothing for what is too large, elsewhere, without data or cut short', () => {
  const dataType = DataType.float;
  expect(numbersOf({ dims: [3], dataType, floatData: [1, 2, 3] }, 2)).toBeUndefined();
  expect(numbersOf({ dims: [1], dataType, dataLocation: 1, rawData: new Uint8Array(4) }, 2)).toBeUndefined();
  expect(numbersOf({ dims: [1], dataType }, 2)).toBeUndefined();
  expect(numbersOf({ dims: [2], dataType, rawData: new Uint8Array(7) }, 2)).toBeUndefined();
});

test('four-bit elements are stored in pairs', () => {
  expect([storedBytes(DataType.int4, 5), storedBytes(DataType.float16, 5)]).toEqual([3, 10]);
});
