import { createRandom, deriveSeed } from '../stats/random.js';

/** Blocks that a prompt begins with: each has the same tokens wherever its id, `size` and `seed` are the same. */
export interface SyntheticBlocks {
  ids: readonly number[];
  /** Tokens in a block. */
  size: number;
  seed: number;
}

/**
 * `tokens` token ids drawn uniformly by seed from 0 … `vocabulary` − 1, leaving out `avoid` (special
 * tokens, whose effect on a model is not that of text). The same seed gives the same ids, and a shorter
 * draw is the beginning of a longer one. Tokens that `blocks` cover are drawn by those, and the ones after them by
 * `seed`: two prompts are alike as far as their first ids are, and beyond that by chance, one token in `vocabulary`.
 * Throws RangeError where `avoid` leaves nothing to draw.
 */
export function syntheticTokenIds({
  tokens,
  vocabulary,
  avoid,
  seed,
  blocks,
}: {
  tokens: number;
  vocabulary: number;
  avoid: Iterable<number>;
  seed: number;
  blocks?: SyntheticBlocks | undefined;
}): number[] {
  const excluded = new Set(avoid);
  let left = vocabulary;
  for (const id of excluded) if (Number.isInteger(id) && id >= 0 && id < vocabulary) left--;
  if (left < 1) throw new RangeError(`no token is left of a vocabulary of ${vocabulary}`);
  const ids: number[] = [];
  const draw = (until: number, by: number) => {
    const random = createRandom(by);
    while (ids.length < until) {
      const id = random.below(vocabulary);
      if (!excluded.has(id)) ids.push(id);
    }
  };
  // Of ids below 2³² no two derive the same seed: each step of the derivation is a bijection.
  for (const [index, id] of blocks?.ids.entries() ?? [])
    draw(Math.min((index + 1) * blocks!.size, tokens), deriveSeed(blocks!.seed, id));
  draw(tokens, seed);
  return ids;
}
