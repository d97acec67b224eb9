import { metrics } from '../../core/metrics.js';
import { capitalized } from './format.js';

/**
 * Words that a reader may not know, each in a sentence or two for people who do not do statistics. Their exact
 * definitions are those of results/README.md, which must know every one of them (tested).
 */
export const glossary = {
  'per-token bill':
    'A bill with one price for every token, prompt and output alike; each model at its own price.',
  'misbilled share':
    'The part of a bill that would have to change hands for every request to pay what it costs. 0% if tokens track work.',
  'wrong requests': 'Requests that pay more than they cost, in place of those that pay less.',
  noise:
    'Differences between repetitions of one and the same request. It makes even a perfect tariff look wrong by this much.',
  '95% interval': 'The range that holds the true value in 95 of 100 such measurements.',
  cell: 'A point of the workload’s design: p64/c8 is a prompt of 64 tokens and an output (completion) of 8. Its repetitions differ by noise alone.',
  'plain token':
    'The work per billed token of a reference request in the same run: 128 + 128 tokens, nothing hidden, empty cache, alone.',
  'effective tokens': 'A request’s work ÷ the plain token: what it would be billed if tokens were work.',
  'billed tokens': 'Prompt and completion tokens, as the usage field of an OpenAI-style answer counts them.',
  'hidden work':
    'Work that no field of the bill shows: of stages that bill no token, and on positions that are not billed.',
  'visibility score':
    'The share of the work that moves a field of the bill, over all stages, weighed by their work.',
  tariff:
    'A price list: one price per token, or one for input and one for output, or both and a fee per request.',
  'cross-subsidy': 'A request that pays for others’ work, or that others pay for.',
  'R²': 'The share of the variance of work that a price list explains, each cell predicted from the others. 1 explains all of it, 0 none.',
  elasticity: 'By how many per cent work grows where tokens grow by one per cent. 1 is proportional.',
  CV: 'Coefficient of variation: standard deviation ÷ mean, here of the work per token over cells.',
  'p95/p5': 'Work per token that 95% of requests stay below ÷ the one that 5% stay below. 1 is even.',
  'max/median': 'Work per token of the dearest cell ÷ that of the middle one.',
  Gini: 'How unevenly work is spread over tokens: 0 is even, 1 is all of it on one.',
  'Lorenz curve':
    'Shares of the work against shares of the bill, cheapest tokens first. A straight diagonal would be a fair bill.',
  'Shapley share':
    'A factor’s fair part in what all factors explain together, averaged over every order of adding them.',
  TTFT: 'Time to first token: from submission to the first token.',
  TPOT: 'Time per output token: from the first token to the last, per token between.',
  ITL: 'Inter-token latency: the gaps between one token and the next.',
  E2E: 'End to end: from submission to the end of the last stage.',
  'roofline time': 'The least time that the machine’s measured ceilings allow, of arithmetic and of memory.',
  ceiling: 'The most that this machine was measured to do: bytes read, or multiply-adds, per second.',
  MFU: 'Model FLOPs utilisation: FLOPs ÷ (time × measured arithmetic rate).',
  MBU: 'Model bandwidth utilisation: bytes ÷ (time × measured bandwidth of memory).',
  provenance: 'How a figure came to be: measured, attributed, derived, estimated, or unavailable.',
};

const meanings = new Map<string, string>([
  ...metrics.map(({ label, definition }) => [label, `${capitalized(definition)}.`] as const),
  ...Object.entries(glossary),
]);
/** A column has no room for a whole name; `work` heads the names of all kinds of it as well. */
const shortened = metrics.filter(({ heading }) => heading !== 'work');
const asWritten = new Map([
  ...shortened.map(({ heading, label }) => [heading.toLowerCase(), label] as const),
  ...shortened.flatMap(({ column, label }) =>
    column?.perBilledToken ? [[column.perBilledToken.heading.toLowerCase(), label] as const] : [],
  ),
  ...[...meanings.keys()].map((name) => [name.toLowerCase(), name] as const),
  ['misbilled', 'misbilled share'],
  ['floor', 'roofline time'],
  ['max/med.', 'max/median'],
]);

/** A word's meaning; words are those of the glossary, and the metrics'. */
export function meaningOf(word: string): string {
  return meanings.get(word)!;
}

/** The word that a heading stands for; `undefined` for one that needs no telling. */
export function wordOf(heading: string): string | undefined {
  const name = heading.toLowerCase();
  return asWritten.get(name) ?? asWritten.get(name.replace(/s$/, ''));
}

/** All words, in the order in which a list of them is read. */
export const allWords: readonly string[] = [...meanings.keys()].sort((a, b) => a.localeCompare(b, 'en'));

const names = [...allWords]
  .sort((a, b) => b.length - a.length)
  .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
const inText = new RegExp(
  `(?<![\\p{L}\\d])(?:${names.join('|')})s?(?![\\p{L}\\d])|\\[[^\\]]*\\d[^\\]]*\\]`,
  'giu',
);

/**
 * A text in parts, `word` where a part is one of the glossary's that the text says for the first time; an interval in
 * brackets says that it is one.
 */
export function wordsIn(text: string): { text: string; word?: string }[] {
  const parts: { text: string; word?: string }[] = [];
  const told = new Set<string>();
  let from = 0;
  for (const { 0: found, index } of text.matchAll(inText)) {
    const word = found.startsWith('[') ? '95% interval' : wordOf(found)!;
    if (told.has(word)) continue;
    told.add(word);
    parts.push({ text: text.slice(from, index) }, { text: found, word });
    from = index + found.length;
  }
  return [...parts, { text: text.slice(from) }];
}
