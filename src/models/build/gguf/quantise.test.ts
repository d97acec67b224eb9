import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../stats/random.js';
import { halfBits, widenHalf } from '../../half.js';
import { quantise } from './quantise.js';

/** Zeros, then values whose codes lie halfway between two, then finite halves of every magnitude and sign. */
function halves(): Uint16Array {
  const random = createRandom(7);
  return Uint16Array.from({ length: 2 ** 16 }, (_, index) => {
    if (index < 32) return 0;
    if (index < 1024) return 0x3c00 + ((index * 37) % 5) * 0x200;
    return random.below(0x7c00) | (random.below(2) << 15);
  });
}

describe('quantised weights', () => {
  // Of what quantize_row_q4_0_ref and quantize_row_q8_0_ref of llama.cpp 0.5.0's libggml-base gave for these values.
  it.each([
    ['Q4_0', 'd1ad57bd403e2f9b89d2caeb7863f3b17c410106fb75643e4e6d6d3c91b0606f'],
    ['Q8_0', '1396d10044302b22722241f1bbf3286bcd8e5054791d487a153c9c1c2163ebc4'],
  ] as const)('in %s are those of ggml, byte by byte', (type, sha256) => {
    expect(createHash('sha256').update(quantise(halves(), type)).digest('hex')).toBe(sha256);
  });

  it('lie within half a step of what they stand for, or one at the far end of Q4_0', () => {
    const random = createRandom(1);
    const source = Uint16Array.from({ length: 320 }, () => halfBits(random.uniform() * 2 - 1));
    const values = new Float32Array(source.length);
    widenHalf(source, values);
    const scale = new Float32Array(1);
    const [four, eight] = [quantise(source, 'Q4_0'), quantise(source, 'Q8_0')];
    for (const [index, value] of values.entries()) {
      const [block, place] = [Math.floor(index / 32), index % 32];
      const at = block * 18;
      widenHalf(Uint16Array.of(four[at]! | (four[at + 1]! << 8)), scale);
      const byte = four[at + 2 + (place % 16)]!;
      const code = place < 16 ? byte & 15 : byte >> 4;
      const step = Math.abs(scale[0]!);
      expect(Math.abs((code - 8) * scale[0]! - value)).toBeLessThan(code === 15 ? 1.01 * step : 0.51 * step);
      const byteAt = block * 34;
      widenHalf(Uint16Array.of(eight[byteAt]! | (eight[byteAt + 1]! << 8)), scale);
      const signed = (eight[byteAt + 2 + place]! << 24) >> 24;
      expect(Math.abs(signed * scale[0]! - value)).toBeLessThan(
        0.51 * scale[0]! + 127 * 2 ** -11 * scale[0]!,
      );
    }
  });
});
