import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { halfBits } from '../half.js';
import { materialise } from './build-graph.js';
import { scalesFor, uniformFor } from './linear.js';
import { byteLength, elementType, type TensorSpec, tensorBytes } from './tensor.js';

const fanIn = 512;
/** More than a chunk, and no multiple of one. */
const count = 300_001;

const uniform: TensorSpec = {
  name: 'w',
  dims: [count],
  dataType: elementType.float,
  fill: uniformFor(fanIn),
};
const half: TensorSpec = { ...uniform, dataType: elementType.float16 };
const codes = (kind: 'nibbles' | 'bytes'): TensorSpec => ({
  name: 'w',
  dims: [count],
  dataType: elementType.uint8,
  fill: { kind },
});
const rotary: TensorSpec = {
  name: 'cos',
  dims: [100, 8],
  dataType: elementType.float,
  fill: { kind: 'rotary', of: 'cos', theta: 10_000, dimension: 16 },
};

describe('seeded weights', () => {
  it.each([uniform, half, codes('nibbles'), codes('bytes'), rotary])(
    'are as long as the shape says',
    (tensor) => {
      let length = 0;
      for (const chunk of tensorBytes(tensor, 1)) length += chunk.byteLength;
      expect(length).toBe(byteLength(tensor));
    },
  );

  it('are the same for the same name and seed, and others otherwise', () => {
    const digest = (tensor: TensorSpec, seed: number) =>
      createHash('sha256').update(materialise(tensor, seed)).digest('hex');
    expect(digest(uniform, 1)).toBe(digest(uniform, 1));
    expect(digest(uniform, 2)).not.toBe(digest(uniform, 1));
    expect(digest({ ...uniform, name: 'v' }, 1)).not.toBe(digest(uniform, 1));
  });

  it('have mean 0 and variance 1/fan-in, in every number format', () => {
    const scale = (bits: 4 | 8) => {
      const fill = scalesFor(fanIn, bits) as { low: number; high: number };
      return (fill.low + fill.high) / 2;
    };
    const nibbles = [...materialise(codes('nibbles'), 1)].flatMap((byte) => [
      (byte & 15) - 8,
      (byte >> 4) - 8,
    ]);
    const bytes = [...materialise(codes('bytes'), 1)].map((byte) => byte - 128);
    expectMoments([...new Float32Array(materialise(uniform, 1).buffer)]);
    expectMoments([...new Uint16Array(materialise(half, 1).buffer)].map(halfValue));
    expectMoments(nibbles.map((code) => code * scale(4)));
    expectMoments(bytes.map((code) => code * scale(8)));
  });

  it('use the 4-bit codes that lie symmetric about the zero point', () => {
    const seen = new Set([...materialise(codes('nibbles'), 1)].flatMap((byte) => [byte & 15, byte >> 4]));
    expect([...seen].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  });
});

describe('rotary tables', () => {
  it('hold the cosine of position · theta^(−2i/d)', () => {
    const table = new Float32Array(materialise(rotary, 1).buffer);
    for (const [position, pair] of [
      [0, 3],
      [1, 0],
      [99, 7],
    ] as const) {
      expect(table[position * 8 + pair]).toBeCloseTo(Math.cos(position * 10_000 ** (-pair / 8)), 6);
    }
  });
});

describe('half precision', () => {
  it.each([
    [0, 0],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65520, 0x7c00],
    [2 ** -24, 1],
    [2 ** -25, 0],
    [0.1, 0x2e66],
  ])('%d is %i', (value, bits) => {
    expect(halfBits(value)).toBe(bits);
  });

  it('rounds to the nearest of its neighbours', () => {
    fc.assert(
      fc.property(fc.double({ min: -65000, max: 65000, noNaN: true }), (value) => {
        const single = Math.fround(value);
        const bits = halfBits(single);
        const error = Math.abs(halfValue(bits) - single);
        const magnitude = bits & 0x7fff;
        for (const neighbour of [magnitude - 1, magnitude + 1]) {
          if (neighbour < 0 || neighbour > 0x7bff) continue;
          expect(error).toBeLessThanOrEqual(Math.abs(halfValue((bits & 0x8000) | neighbour) - single));
        }
      }),
    );
  });
});

/** Within four standard errors of a uniform distribution's mean and variance (kurtosis 1.8). */
function expectMoments(values: number[]): void {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  // An even number of codes about the zero point leaves half a step of bias: 1/148 of a deviation in 8 bits.
  expect(Math.abs(mean) * Math.sqrt(fanIn)).toBeLessThan(4 / Math.sqrt(values.length) + 1 / 147);
  expect(Math.abs(variance * fanIn - 1)).toBeLessThan(4 * Math.sqrt(0.8 / values.length) + 0.001);
}

/** Decodes half-precision bits by their definition. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}
