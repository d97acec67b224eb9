import type { Bytes } from '../../core/units.js';
import type { CachedPositions, CacheExport } from '../engine.js';

/**
 * One layer's keys or values where a back end keeps them: [batch, heads, stride, positionBytes], `stride`
 * being the positions from one head to the next, used or not.
 */
export interface KvPlane {
  bytes: Uint8Array;
  heads: number;
  stride: number;
  positionBytes: Bytes;
}

/** Copies positions of one batch row, in the layout of `Sequence.exportCache`. */
export function copyOut(planes: readonly KvPlane[], row: number, exports: readonly CacheExport[]): void {
  for (const { from, to, target } of exports) copyRangeOut(planes, row, from, to, inProcess(target));
}

function copyRangeOut(
  planes: readonly KvPlane[],
  row: number,
  from: number,
  to: number,
  target: Uint8Array,
): void {
  let written = 0;
  for (const { bytes, heads, stride, positionBytes } of planes) {
    const length = (to - from) * positionBytes;
    for (let head = row * heads; head < (row + 1) * heads; head++) {
      const start = (head * stride + from) * positionBytes;
      target.set(bytes.subarray(start, start + length), written);
      written += length;
    }
  }
}

/** Copies what `copyOut` gave for `positions` positions into one batch row, from position `at` on. */
function copyIn(
  planes: readonly KvPlane[],
  row: number,
  at: number,
  positions: number,
  source: Uint8Array,
): void {
  let read = 0;
  for (const { bytes, heads, stride, positionBytes } of planes) {
    const length = positions * positionBytes;
    for (let head = row * heads; head < (row + 1) * heads; head++) {
      bytes.set(source.subarray(read, read + length), (head * stride + at) * positionBytes);
      read += length;
    }
  }
}

/** Copies each row's chunks in turn, from position `at` on. */
export function copyChunksIn(
  planes: readonly KvPlane[],
  at: number,
  rows: readonly (readonly CachedPositions[])[],
  bytesPerPosition: Bytes,
): void {
  for (const [row, chunks] of rows.entries()) {
    let position = at;
    for (const chunk of chunks) {
      const positions = chunk.byteLength / bytesPerPosition;
      copyIn(planes, row, position, positions, inProcess(chunk));
      position += positions;
    }
  }
}

/** The bytes of positions that lie in this process. */
function inProcess(positions: CachedPositions): Uint8Array {
  if (!(positions instanceof Uint8Array))
    throw new Error('positions on a GPU were given to a cache on the CPU');
  return positions;
}
