import { allWords, meaningOf, wordOf, wordsIn } from '../words/glossary.js';
import { type Html, html, type Part } from './html.js';

/**
 * A word with its meaning: a link to the list of words, of which the page's script makes a note that opens under
 * pointer, focus and finger.
 */
function linked(word: string, shown: string): Html {
  return html`<a class="word" href="#${idOf(word)}" aria-describedby="${idOf(word)}">${shown}</a>`;
}

/** A sentence of this program whose words are explained where it first says them. */
export function explained(text: string): Html {
  return html`${wordsIn(text).map(({ text: part, word }) => (word === undefined ? part : linked(word, part)))}`;
}

/** A column's heading, explained where the glossary knows it. */
export function explainedHeading(heading: string): Part {
  const word = wordOf(heading);
  return word === undefined ? heading : linked(word, heading);
}

/** The words that a page explains, for paper and for readers without script. */
export function wordList({ markup }: Html): Html | null {
  const used = allWords.filter((word) => markup.includes(`href="#${idOf(word)}"`));
  if (used.length === 0) return null;
  return html`<section class="words" aria-labelledby="words-title"><h2 id="words-title">Words</h2>
<dl>${used.map((word) => html`<div><dt>${word}</dt><dd id="${idOf(word)}">${meaningOf(word)}</dd></div>`)}</dl></section>`;
}

function idOf(word: string): string {
  return `word-${word
    .toLowerCase()
    .replaceAll('²', '2')
    .replace(/[^a-z0-9]+/g, '-')}`;
}
