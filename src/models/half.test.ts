import { expect, it } from 'vitest';
import { widenHalf } from './half.js';

it('widens half precision exactly, with its subnormals, infinities and NaN', () => {
  // The values IEEE 754 gives these bit patterns.
  const expected: [bits: number, value: number][] = [
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 1365 / 4096],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
    [0x7e00, Number.NaN],
  ];
  const wide = new Float32Array(expected.length);
  widenHalf(
    Uint16Array.from(expected, ([bits]) => bits),
    wide,
  );
  for (const [i, [, value]] of expected.entries()) expect(wide[i]).toBe(value);
});
