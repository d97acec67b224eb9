import { createHash } from 'node:crypto';

/**
 * One key for each full block of `tokenIds`. A key stands for the block's tokens and everything before
 * them, as what a position's keys and values are depends on all positions up to it: a chain of SHA-256,
 * as in vLLM's automatic prefix caching. A rest shorter than a block has none.
 */
export function blockKeys(tokenIds: readonly number[], blockTokens: number): string[] {
  const keys: string[] = [];
  let parent = '';
  for (let end = blockTokens; end <= tokenIds.length; end += blockTokens) {
    const block = Uint32Array.from(tokenIds.slice(end - blockTokens, end));
    parent = createHash('sha256').update(parent).update(block).digest('base64');
    keys.push(parent);
  }
  return keys;
}
