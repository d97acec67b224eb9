import { halfBits } from '../../half.js';

/** Weights of a block, which share one scale. */
const block = 32;
/** Bytes of a block: the scale in half precision, then its codes. */
const blockBytes = { Q8_0: 34, Q4_0: 18 } as const;

/**
 * Halves, whole blocks of 32 and all of them finite, as ggml stores them: `F16` as they are; `Q8_0` and `Q4_0` in the very
 * bytes of its reference functions (quantize_row_q8_0_ref and quantize_row_q4_0_ref of ggml-quants.c), which compute in fp32.
 */
export function quantise(halves: Uint16Array, type: 'F16' | 'Q8_0' | 'Q4_0'): Uint8Array {
  if (type === 'F16') return new Uint8Array(halves.buffer, halves.byteOffset, halves.byteLength);
  const bytes = new Uint8Array((halves.length / block) * blockBytes[type]);
  if (type === 'Q8_0') writeQ8(halves, bytes);
  else writeQ4(halves, bytes);
  return bytes;
}

/** Codes −127 to 127 of a scale that is the largest magnitude ÷ 127; halves are rounded away from zero. */
function writeQ8(halves: Uint16Array, bytes: Uint8Array): void {
  for (let first = 0, at = 0; first < halves.length; first += block, at += blockBytes.Q8_0) {
    const scale = Math.fround(Math.abs(scaled[load(halves, first)]! * unscale) / 127);
    const factor = writeScale(bytes, at, scale);
    for (let index = 0; index < block; index++) {
      // Raised above zero, where to cut is to round down.
      const raised = Math.fround(scaled[index]! * factor) + 128.5;
      const code = raised | 0;
      // Without this seldom branch for halves, one on the sign would be mispredicted every other time.
      bytes[at + 2 + index] = (code === raised && code <= 128 ? code - 1 : code) - 128;
    }
  }
}

/**
 * Codes 0 to 15 about 8. The scale has the sign that gives the value of largest magnitude code 0. A byte's low nibble
 * is of the block's first half, its high nibble of the second.
 */
function writeQ4(halves: Uint16Array, bytes: Uint8Array): void {
  for (let first = 0, at = 0; first < halves.length; first += block, at += blockBytes.Q4_0) {
    const scale = Math.fround((scaled[load(halves, first)]! * unscale) / -8);
    const factor = writeScale(bytes, at, scale);
    for (let index = 0; index < block / 2; index++) {
      const low = Math.fround(Math.fround(scaled[index]! * factor) + 8.5) | 0;
      const high = Math.fround(Math.fround(scaled[index + block / 2]! * factor) + 8.5) | 0;
      // Codes end at 15, and only 16 has the fifth bit.
      bytes[at + 2 + index] = (low - (low >> 4)) | ((high - (high >> 4)) << 4);
    }
  }
}

/** The loaded block's values ÷ `unscale`: a half's bits moved to a float's places, whose exponents are 112 lower. */
const floatBits = new Uint32Array(block);
const scaled = new Float32Array(floatBits.buffer);
const unscale = 2 ** 112;

/** Loads a block, and returns the index of the first of its values with the largest magnitude. */
function load(halves: Uint16Array, first: number): number {
  let largest = 0;
  for (let index = 0; index < block; index++) {
    const half = halves[first + index]!;
    const magnitude = half & 0x7fff;
    floatBits[index] = ((half & 0x8000) << 16) | (magnitude << 13);
    // Magnitude, then earliness, in one number, whose maximum is taken without a branch: random ones mispredict it.
    const key = (magnitude << 5) | (block - 1 - index);
    const below = largest - key;
    largest -= below & (below >> 31);
  }
  return block - 1 - (largest & 31);
}

/** Writes a block's scale. Returns what its values as loaded are multiplied by for their codes: exact, in double precision. */
function writeScale(bytes: Uint8Array, at: number, scale: number): number {
  const bits = halfBits(scale);
  bytes[at] = bits & 0xff;
  bytes[at + 1] = bits >> 8;
  return scale === 0 ? 0 : Math.fround(1 / scale) * unscale;
}
