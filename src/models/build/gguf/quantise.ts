import { halfBits, widenHalf } from '../../half.js';

/** Weights of a block, which share one scale. */
const block = 32;
/** Bytes of a block: the scale in half precision, then its codes. */
const blockBytes = { Q8_0: 34, Q4_0: 18 } as const;

/**
 * Halves, whole blocks of 32, as ggml stores them: `F16` as they are; `Q8_0` and `Q4_0` in the very bytes of its
 * reference functions (quantize_row_q8_0_ref and quantize_row_q4_0_ref of ggml-quants.c), which compute in fp32.
 */
export function quantise(halves: Uint16Array, type: 'F16' | 'Q8_0' | 'Q4_0'): Uint8Array {
  if (type === 'F16') return new Uint8Array(halves.buffer, halves.byteOffset, halves.byteLength);
  const bytes = new Uint8Array((halves.length / block) * blockBytes[type]);
  const values = new Float32Array(Math.min(halves.length, 2 ** 16));
  const write = type === 'Q8_0' ? writeQ8 : writeQ4;
  for (let done = 0; done < halves.length; done += values.length) {
    const piece = halves.subarray(done, done + values.length);
    widenHalf(piece, values);
    write(values, piece.length, bytes, (done / block) * blockBytes[type]);
  }
  return bytes;
}

/** Codes −127 to 127 of a scale that is the largest magnitude ÷ 127; halves are rounded away from zero. */
function writeQ8(values: Float32Array, count: number, bytes: Uint8Array, start: number): void {
  for (let first = 0, at = start; first < count; first += block, at += blockBytes.Q8_0) {
    const scale = Math.fround(Math.abs(extreme(values, first)) / 127);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    writeScale(bytes, at, scale);
    for (let index = 0; index < block; index++) {
      const raised = Math.fround(values[first + index]! * inverse) + 0.5;
      const code = Math.floor(raised);
      // Without this seldom branch for halves, one on the sign would be mispredicted every other time.
      bytes[at + 2 + index] = code === raised && raised <= 0 ? code - 1 : code;
    }
  }
}

/**
 * Codes 0 to 15 about 8. The scale has the sign that gives the value of largest magnitude code 0. A byte's low nibble
 * is of the block's first half, its high nibble of the second.
 */
function writeQ4(values: Float32Array, count: number, bytes: Uint8Array, start: number): void {
  for (let first = 0, at = start; first < count; first += block, at += blockBytes.Q4_0) {
    const scale = Math.fround(extreme(values, first) / -8);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    writeScale(bytes, at, scale);
    for (let index = first; index < first + block / 2; index++) {
      const low = Math.fround(Math.fround(values[index]! * inverse) + 8.5) | 0;
      const high = Math.fround(Math.fround(values[index + block / 2]! * inverse) + 8.5) | 0;
      bytes[at + 2 + index - first] = Math.min(15, low) | (Math.min(15, high) << 4);
    }
  }
}

/** The first of a block's values with the largest magnitude. */
function extreme(values: Float32Array, first: number): number {
  let found = 0;
  let largest = 0;
  for (let index = first; index < first + block; index++) {
    const magnitude = Math.abs(values[index]!);
    if (magnitude <= largest) continue;
    largest = magnitude;
    found = values[index]!;
  }
  return found;
}

function writeScale(bytes: Uint8Array, at: number, scale: number): void {
  const bits = halfBits(scale);
  bytes[at] = bits & 0xff;
  bytes[at + 1] = bits >> 8;
}
