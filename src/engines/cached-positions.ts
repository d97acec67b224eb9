import { TokenworkError } from '../core/errors.js';
import type { Bytes } from '../core/units.js';
import type { CachedPositions, CacheExport } from './engine.js';

/** Throws RangeError where a row, its positions or a target's size do not fit what is cached. */
export function checkExport(
  sequence: { batch: number; length: number },
  row: number,
  exports: readonly CacheExport[],
  bytesPerPosition: Bytes,
): void {
  for (const { from, to, target } of exports) {
    const whole = [row, from, to].every(Number.isInteger);
    if (!whole || row < 0 || row >= sequence.batch || from < 0 || from > to || to > sequence.length)
      throw new RangeError(
        `row ${row} of ${sequence.batch} holds no positions ${from} to ${to}: it has ${sequence.length}`,
      );
    if (target.byteLength !== (to - from) * bytesPerPosition)
      throw new RangeError(
        `${to - from} positions take ${(to - from) * bytesPerPosition} bytes, not ${target.byteLength}`,
      );
  }
}

/**
 * The positions that each row's chunks hold together. Throws RangeError where rows are missing, differ in
 * length or hold broken positions, and TokenworkError `context-exceeded` where they do not fit.
 */
export function importedPositions(
  sequence: { batch: number; length: number; capacity: number },
  rows: readonly (readonly CachedPositions[])[],
  bytesPerPosition: Bytes,
): number {
  if (rows.length !== sequence.batch)
    throw new RangeError(`${rows.length} rows of cached positions for a batch of ${sequence.batch}`);
  const counts = rows.map((chunks) => {
    if (chunks.some(({ byteLength }) => byteLength % bytesPerPosition !== 0))
      throw new RangeError(`a chunk of cached positions is no multiple of ${bytesPerPosition} bytes`);
    return chunks.reduce((sum, { byteLength }) => sum + byteLength / bytesPerPosition, 0);
  });
  const positions = counts[0]!;
  if (counts.some((count) => count !== positions))
    throw new RangeError(`rows of ${counts.join(', ')} cached positions cannot share a batch`);
  if (sequence.length + positions > sequence.capacity)
    throw new TokenworkError(
      'context-exceeded',
      `${sequence.length} + ${positions} cached tokens exceed the ${sequence.capacity} this sequence has room for.`,
      'Shorten the prompt or the completion, or use a model with a longer context.',
    );
  return positions;
}
