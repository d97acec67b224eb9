import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { syntheticTokenIds } from './synthetic-tokens.js';

describe('a synthetic prompt', () => {
  it('has exactly the length asked for, within the vocabulary and free of what is to be avoided', () => {
    const vocabulary = 50;
    fc.assert(
      fc.property(
        fc.nat(300),
        fc.array(fc.integer({ min: -5, max: 48 })),
        fc.integer(),
        (tokens, avoid, seed) => {
          const ids = syntheticTokenIds({ tokens, vocabulary, avoid, seed });
          expect(ids).toHaveLength(tokens);
          for (const id of ids) {
            expect(Number.isInteger(id) && id >= 0 && id < vocabulary).toBe(true);
            expect(avoid).not.toContain(id);
          }
          expect(syntheticTokenIds({ tokens, vocabulary, avoid, seed })).toEqual(ids);
        },
      ),
    );
  });

  it('differs between seeds and begins alike at any length', () => {
    const draw = (tokens: number, seed: number) =>
      syntheticTokenIds({ tokens, vocabulary: 49152, avoid: [0], seed });
    expect(draw(16, 1)).not.toEqual(draw(16, 2));
    expect(draw(64, 1).slice(0, 16)).toEqual(draw(16, 1));
  });

  it('cannot be drawn from nothing', () => {
    const draw = () => syntheticTokenIds({ tokens: 1, vocabulary: 2, avoid: [0, 1, 7], seed: 1 });
    expect(draw).toThrow(/no token is left/);
  });
});
