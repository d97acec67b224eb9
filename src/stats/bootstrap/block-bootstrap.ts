import type { Random } from '../random.js';

/**
 * Draws a resample of `count` observations in time, as blocks of `length` neighbours that wrap around the end: the
 * circular block bootstrap (Politis & Romano 1992), which draws every observation equally often and keeps the
 * dependence between neighbours that resampling them one by one would break (Künsch 1989). Fills `indices`.
 */
export function drawBlocks(indices: Uint32Array, count: number, length: number, random: Random): void {
  for (let at = 0; at < indices.length; ) {
    const start = random.below(count);
    for (let k = 0; k < length && at < indices.length; k++) indices[at++] = (start + k) % count;
  }
}

/**
 * The length of a block for so many observations of which those up to `reach` apart depend on each other: n^(1/3), the
 * rate of least error of a variance (Künsch 1989; Hall, Horowitz & Jing 1995), or `reach` where that is longer, and at
 * most a quarter of all, so that resamples differ.
 */
export function blockLength(count: number, reach: number): number {
  return Math.max(
    1,
    Math.min(Math.max(Math.ceil(Math.cbrt(count)), Math.ceil(reach)), Math.floor(count / 4)),
  );
}
