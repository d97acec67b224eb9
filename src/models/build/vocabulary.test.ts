import { describe, expect, it } from 'vitest';
import { listRecipes } from '../recipe.js';
import { specialTokens } from './folder-files.js';
import { byteAlphabet, synthesiseVocabulary } from './vocabulary.js';

const vocabularies = (await listRecipes()).map((recipe) => ({
  recipe,
  id: recipe.id,
  vocabulary: synthesiseVocabulary(recipe.vocabulary, specialTokens(recipe)),
}));

describe('the byte alphabet', () => {
  it("is GPT-2's: a character of its own for each byte, printable ones standing for themselves", () => {
    const alphabet = byteAlphabet();
    expect(new Set(alphabet).size).toBe(256);
    expect(alphabet[0x41]).toBe('A');
    // From the published vocabulary: space is Ġ, newline Ċ, the soft hyphen Ń.
    expect([alphabet[0x20], alphabet[0x0a], alphabet[0xad]]).toEqual(['Ġ', 'Ċ', 'Ń']);
  });
});

describe('a synthesised vocabulary', () => {
  it.each(vocabularies)('of $id has exactly its tokens, each once', ({ recipe, vocabulary }) => {
    expect(vocabulary.tokens).toHaveLength(recipe.vocabulary);
    expect(new Set(vocabulary.tokens).size).toBe(recipe.vocabulary);
  });

  it.each(vocabularies)('of $id marks the ids of the recipe as special', ({ recipe, vocabulary }) => {
    const ids = new Set([...recipe.eosTokenIds, ...(recipe.bosTokenId === null ? [] : [recipe.bosTokenId])]);
    expect(new Set(vocabulary.special.map(({ id }) => id))).toEqual(ids);
    for (const { id, content } of vocabulary.special) expect(vocabulary.tokens[id]).toBe(content);
  });

  it.each(vocabularies)(
    'of $id holds every byte and both halves and the whole of every merge',
    ({ vocabulary }) => {
      const tokens = new Set(vocabulary.tokens);
      for (const byte of byteAlphabet()) expect(tokens.has(byte)).toBe(true);
      const strays = vocabulary.merges.filter(
        ([left, right]) => !tokens.has(left) || !tokens.has(right) || !tokens.has(left + right),
      );
      expect(strays).toEqual([]);
    },
  );
});
