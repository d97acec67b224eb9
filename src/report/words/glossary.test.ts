import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { metrics } from '../../core/metrics.js';
import { allWords, glossary, meaningOf, wordOf, wordsIn } from './glossary.js';

describe('the glossary', () => {
  const readme = readFileSync(new URL('../../../results/README.md', import.meta.url), 'utf8').toLowerCase();

  it.each(Object.keys(glossary))('has "%s" from results/README.md', (word) => {
    expect(readme.replaceAll(/\s+/g, ' ')).toContain(word.toLowerCase());
  });

  it('knows every metric by its name, and says something of every word', () => {
    for (const { label } of metrics) expect(wordOf(label)).toBe(label);
    for (const word of allWords) expect(meaningOf(word)).toMatch(/^[^\p{Ll}].*\.$/u);
  });

  it('knows a word in the plural, at the head of a column and by another case', () => {
    expect(wordOf('cells')).toBe('cell');
    expect(wordOf('CPU/token')).toBe('CPU time');
    expect(wordOf('Misbilled share')).toBe('misbilled share');
    expect(wordOf('work')).toBeUndefined();
  });
});

describe('words in a text', () => {
  it('are intervals in brackets too', () => {
    expect(wordsIn('10.1% [7.9–12.4%] of it [sic]').filter(({ word }) => word)).toEqual([
      { text: '[7.9–12.4%]', word: '95% interval' },
    ]);
  });

  it('are found where they are said first, whole, the longest that fits', () => {
    const parts = wordsIn('CPU time of two cells: excellent CPU time, and hidden work.');
    expect(parts.filter(({ word }) => word !== undefined)).toEqual([
      { text: 'CPU time', word: 'CPU time' },
      { text: 'cells', word: 'cell' },
      { text: 'hidden work', word: 'hidden work' },
    ]);
    expect(parts.map(({ text }) => text).join('')).toBe(
      'CPU time of two cells: excellent CPU time, and hidden work.',
    );
  });
});
