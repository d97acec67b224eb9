import { createRandom } from '../stats/random.js';

/**
 * `tokens` token ids drawn uniformly by seed from 0 … `vocabulary` − 1, leaving out `avoid` (special
 * tokens, whose effect on a model is not that of text). The same seed gives the same ids, and a shorter
 * draw is the beginning of a longer one. Throws RangeError where `avoid` leaves nothing to draw.
 */
export function syntheticTokenIds({
  tokens,
  vocabulary,
  avoid,
  seed,
}: {
  tokens: number;
  vocabulary: number;
  avoid: Iterable<number>;
  seed: number;
}): number[] {
  const excluded = new Set(avoid);
  let left = vocabulary;
  for (const id of excluded) if (Number.isInteger(id) && id >= 0 && id < vocabulary) left--;
  if (left < 1) throw new RangeError(`no token is left of a vocabulary of ${vocabulary}`);
  const random = createRandom(seed);
  return Array.from({ length: tokens }, () => {
    let id = random.below(vocabulary);
    while (excluded.has(id)) id = random.below(vocabulary);
    return id;
  });
}
