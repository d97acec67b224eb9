import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { messageOf, TokenworkError } from '../../core/errors.js';
import { namedRecord } from '../../core/named-record.js';

/** A word or phrase to look for. */
export interface Term {
  category: string;
  text: string;
}

export interface LexicalMatch extends Term {
  /** Its beginning, in UTF-16 units of the text or in token ids. */
  at: number;
}

const termsSchema = z.strictObject({
  description: z.string(),
  /** Words by category, then by language. */
  categories: namedRecord(namedRecord(z.array(z.string().trim().min(1)))),
});

/** The word list that comes with tokenwork. */
export const shippedTerms = fileURLToPath(new URL('../../../bench/safety/terms.json', import.meta.url));

/** Reads a word list. Throws TokenworkError `bad-terms`. */
export async function loadTerms(path: string): Promise<Term[]> {
  try {
    const { categories } = termsSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    return Object.entries(categories).flatMap(([category, byLanguage]) =>
      Object.values(byLanguage).flatMap((words) => words.map((text) => ({ category, text }))),
    );
  } catch (cause) {
    throw new TokenworkError(
      'bad-terms',
      `The word list ${path} cannot be used: ${messageOf(cause)}.`,
      'It holds a description and categories, each with lists of words by language.',
      { cause },
    );
  }
}

/** Scripts that set no spaces between words, or join particles to them: a term may stand inside a word. */
const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}]/u;
const regExpSyntax = /[\\^$.*+?()[\]{}|/]/g;

/**
 * Every occurrence in a text, leftmost first, not overlapping, case ignored; in spaced scripts a term is a
 * whole word. One regular expression of all terms: a single pass, whatever their number.
 */
export function textFilter(terms: readonly Term[]): (text: string) => LexicalMatch[] {
  const byText = new Map(terms.map((term) => [folded(term.text), term]));
  if (byText.size === 0) return () => [];
  // The longest first, as an alternation takes the first that fits.
  const longestFirst = terms.map(({ text }) => text).sort((a, b) => b.length - a.length);
  const literals = (texts: string[]) => texts.map((text) => text.replace(regExpSyntax, '\\$&')).join('|');
  const inWords = literals(longestFirst.filter((text) => unspaced.test(text)));
  const words = literals(longestFirst.filter((text) => !unspaced.test(text)));
  // The classes stand once for all words: around each, the pattern took 100 ms to compile, now and again.
  const wholeWords = words && `(?<![\\p{L}\\p{N}])(?:${words})(?![\\p{L}\\p{N}])`;
  const any = new RegExp([inWords, wholeWords].filter(Boolean).join('|'), 'giu');
  return (text) =>
    [...text.matchAll(any)].map((match) => ({ ...byText.get(folded(match[0]))!, at: match.index }));
}

/**
 * Every occurrence in token ids, for prompts that never were a text. A term is found as the model's
 * tokenizer writes it, after a space or at a beginning; other splits of the same letters are not.
 */
export function tokenFilter(
  terms: readonly Term[],
  encode: (text: string) => readonly number[],
  specialTokenIds: ReadonlySet<number>,
): (ids: readonly number[]) => LexicalMatch[] {
  const byFirst = new Map<number, { ids: number[]; term: Term }[]>();
  for (const term of terms) {
    for (const text of [term.text, ` ${term.text}`]) {
      const ids = encode(text).filter((id) => !specialTokenIds.has(id));
      const [first] = ids;
      if (first === undefined) continue;
      const others = byFirst.get(first) ?? [];
      others.push({ ids, term });
      byFirst.set(
        first,
        others.sort((a, b) => b.ids.length - a.ids.length),
      );
    }
  }
  return (ids) => {
    const matches: LexicalMatch[] = [];
    for (let at = 0; at < ids.length; at++) {
      const found = byFirst.get(ids[at]!)?.find((entry) => entry.ids.every((id, i) => ids[at + i] === id));
      if (!found) continue;
      matches.push({ ...found.term, at });
      at += found.ids.length - 1;
    }
    return matches;
  };
}

/** One spelling for all that a pattern takes for equal: ſ and s are one letter to it, as K (kelvin) and k. */
function folded(text: string): string {
  return text.toUpperCase().toLowerCase();
}
