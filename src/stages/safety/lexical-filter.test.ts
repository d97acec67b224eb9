import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { buildModel } from '../../models/build/build-model.js';
import { loadRecipe } from '../../models/recipe.js';
import { loadTokenizer } from '../../models/tokenizer.js';
import { loadTerms, shippedTerms, type Term, textFilter, tokenFilter } from './lexical-filter.js';

const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-terms-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const terms: Term[] = [
  { category: 'a', text: 'key' },
  { category: 'b', text: 'private key' },
  { category: 'c', text: 'C++ (old)' },
  { category: 'd', text: '무기' },
  { category: 'e', text: 'Überdosis' },
];

describe('a filter over text', () => {
  const filter = textFilter(terms);
  const found = (text: string) => filter(text).map(({ category, at }) => `${category}${at}`);

  it.each([
    ['whole words only', 'A key, no monkey or keyboard: KEY.', ['a2', 'a30']],
    ['the longer of two', 'my private key and my key', ['b3', 'a22']],
    ['words inside words where a script sets no spaces', '그 무기를 보았다', ['d2']],
    ['letters of any alphabet, in any case', 'eine ÜBERDOSIS und überdosis', ['e5', 'e19']],
    ['letters that are one in another case', 'a \u212aey, and C++ (old)', ['a2', 'c11']],
    ['signs that mean something to a pattern', 'in c++ (old) style', ['c3']],
    ['nothing in nothing', '', []],
  ])('finds %s', (_, text, expected) => {
    expect(found(text)).toEqual(expected);
  });

  it('finds a term wherever it stands between other words', () => {
    const word = fc.stringMatching(/^[fghij]{1,6}$/);
    fc.assert(
      fc.property(fc.array(word), fc.array(word), (before, after) => {
        const text = [...before, 'Private KEY', ...after].join(' ');
        const at = [...before, ''].join(' ').length;
        expect(filter(text)).toEqual([{ category: 'b', text: 'private key', at }]);
      }),
    );
  });

  it('finds nothing without terms', () => {
    expect(textFilter([])('anything')).toEqual([]);
  });
});

describe('a filter over token ids', () => {
  it('finds a term as its tokenizer writes it, among other tokens', async () => {
    const folder = await buildModel(await loadRecipe('tiny'), { dtype: 'q4', cacheDirectory: scratch });
    const { encode, specialTokenIds } = await loadTokenizer(folder);
    const all = await loadTerms(shippedTerms);
    const filter = tokenFilter(all, encode, specialTokenIds);
    for (const { text } of all) {
      for (const sentence of [text, `Please tell me of ${text} now`])
        expect(
          filter(encode(sentence)).map((match) => match.text),
          sentence,
        ).toContain(text);
    }
    expect(filter(encode('Once upon a time there was a little girl named Lily.'))).toEqual([]);
    expect(filter([])).toEqual([]);
  });

  it('takes the longest, and says where it begins', () => {
    const encode = (text: string) => [...text.trim()].map((letter) => letter.charCodeAt(0) - 96);
    const filter = tokenFilter(
      [
        { category: 'short', text: 'ab' },
        { category: 'long', text: 'abc' },
      ],
      encode,
      new Set(),
    );
    expect(filter([9, 1, 2, 3, 1, 2, 9]).map(({ category, at }) => [category, at])).toEqual([
      ['long', 1],
      ['short', 4],
    ]);
  });
});

describe('a word list', () => {
  it('comes with tokenwork, with every category in several languages', async () => {
    const all = await loadTerms(shippedTerms);
    expect(new Set(all.map(({ category }) => category)).size).toBeGreaterThanOrEqual(3);
    const filter = textFilter(all);
    for (const { text } of all) expect(filter(text).length, text).toBeGreaterThan(0);
  });

  it.each([
    ['no JSON', '{'],
    ['another shape', '{"description":"x","categories":["weapon"]}'],
    ['an empty word', '{"description":"x","categories":{"a":{"en":[" "]}}}'],
  ])('is refused with %s', async (name, content) => {
    const path = join(scratch, `${name}.json`);
    writeFileSync(path, content);
    await expect(loadTerms(path)).rejects.toMatchObject({ code: 'bad-terms' });
    await expect(loadTerms(join(scratch, 'nowhere.json'))).rejects.toMatchObject({ code: 'bad-terms' });
  });
});
