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

describe('a synthetic prompt of blocks', () => {
  const draw = (tokens: number, ids: number[], seed = 1) =>
    syntheticTokenIds({
      ...{ tokens, vocabulary: 49152, avoid: [0], seed },
      blocks: { ids, size: 16, seed: 9 },
    });

  it('begins alike as far as its first ids are the same, whatever it is drawn by', () => {
    expect(draw(48, [1, 2, 3], 4).slice(0, 32)).toEqual(draw(64, [1, 2, 5, 6], 7).slice(0, 32));
    expect(draw(48, [1, 2, 3])).toHaveLength(48);
  });

  it('has no token of another block in its place, and none of another prompt after its blocks', () => {
    const [mine, other] = [draw(64, [1, 2]), draw(64, [3, 2 ** 32 - 1], 2)];
    // Of 64 pairs drawn from 49,151 ids one is alike in 770 draws.
    expect(mine.filter((id, at) => id === other[at])).toEqual([]);
  });

  it('is cut to its length within a block, and after it goes on with tokens of its own', () => {
    expect(draw(20, [1, 2])).toEqual(draw(32, [1, 2]).slice(0, 20));
    expect(draw(5, [1, 2, 3])).toEqual(draw(16, [1]).slice(0, 5));
    expect(draw(20, [1]).slice(16)).toEqual(
      syntheticTokenIds({ tokens: 4, vocabulary: 49152, avoid: [0], seed: 1 }),
    );
  });
});
