import { messageOf, TokenworkError } from '../../core/errors.js';
import type { Bytes } from '../../core/units.js';
import type { CacheBlocks } from '../engine.js';
import { adviseHugePages } from './native/huge-pages.js';

/** Buffers stay well below what any JavaScript engine allows one to be. */
const segmentBytes = 2 ** 30;

/** Blocks in this process's memory, reserved at once; the system commits pages as they are written. */
export class HostBlocks implements CacheBlocks {
  readonly #segments: Uint8Array[] = [];
  readonly #blockBytes: Bytes;
  readonly #blocksPerSegment: number;

  /** Throws TokenworkError `prefix-cache-too-large` where the memory cannot be had. */
  constructor(blocks: number, blockBytes: Bytes) {
    this.#blockBytes = blockBytes;
    this.#blocksPerSegment = Math.max(1, Math.floor(segmentBytes / blockBytes));
    try {
      for (let left = blocks; left > 0; left -= this.#blocksPerSegment)
        this.#segments.push(new Uint8Array(Math.min(left, this.#blocksPerSegment) * blockBytes));
      for (const segment of this.#segments) adviseHugePages(segment, segment.byteLength);
    } catch (cause) {
      throw new TokenworkError(
        'prefix-cache-too-large',
        `The prefix cache cannot have ${blocks * blockBytes} bytes: ${messageOf(cause)}.`,
        'Give it a lower limit.',
        { cause },
      );
    }
  }

  block(index: number): Uint8Array {
    const within = index % this.#blocksPerSegment;
    const segment = this.#segments[(index - within) / this.#blocksPerSegment]!;
    return segment.subarray(within * this.#blockBytes, (within + 1) * this.#blockBytes);
  }
}
