import { words } from './words.js';

/** A byte-level BPE vocabulary: token texts by id, in GPT-2's printable alphabet of bytes, and merges. */
export interface Vocabulary {
  /** Tokens, as many as the model has; ids of `special` tokens hold their names. */
  tokens: string[];
  merges: [string, string][];
  special: { id: number; content: string }[];
}

const longestToken = 16;

/**
 * Synthesises a vocabulary of exactly `size` tokens, among them the `special` ones: every byte, merges
 * trained on a word list, then pairs of those, so that any text of any script round-trips. Its token counts
 * resemble a trained tokenizer's, without being any published one's.
 */
export function synthesiseVocabulary(size: number, special: Vocabulary['special']): Vocabulary {
  const taken = new Map(special.map(({ id, content }) => [id, content]));
  const bytes = byteAlphabet();
  const merges = makeMerges(bytes, size - special.length - bytes.length);
  const ordinary = [...bytes, ...merges.map(([left, right]) => left + right)];
  const tokens: string[] = [];
  let next = 0;
  for (let id = 0; id < size; id++) {
    tokens.push(taken.get(id) ?? ordinary[next++] ?? `<|unused_${id}|>`);
  }
  return { tokens, merges, special };
}

/** The printable character that stands for each byte, as GPT-2 defined them: itself, or one from U+0100 on. */
export function byteAlphabet(): string[] {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let shifted = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : shifted++));
}

function makeMerges(bytes: string[], wanted: number): [string, string][] {
  const trained = trainMerges(bytes).slice(0, wanted);
  const known = new Set([...bytes, ...trained.map(([left, right]) => left + right)]);
  return [...trained, ...pairsOf(known, bytes[0x20]!, wanted - trained.length)];
}

/** Byte-pair encoding on the word list, a word weighing the inverse of its rank (Zipf's law). */
function trainMerges(bytes: string[]): [string, string][] {
  const encoder = new TextEncoder();
  const corpus = words.map((word, rank) => ({
    symbols: Array.from(encoder.encode(` ${word}`), (byte) => bytes[byte]!),
    weight: 1 / (rank + 1),
  }));
  const merges: [string, string][] = [];
  for (;;) {
    const weights = new Map<string, { pair: [string, string]; weight: number }>();
    for (const { symbols, weight } of corpus) {
      for (let index = 1; index < symbols.length; index++) {
        const pair: [string, string] = [symbols[index - 1]!, symbols[index]!];
        const key = pair.join(' ');
        const entry = weights.get(key);
        if (entry) entry.weight += weight;
        else weights.set(key, { pair, weight });
      }
    }
    if (weights.size === 0) return merges;
    const { pair } = [...weights.values()].reduce((best, entry) =>
      entry.weight > best.weight ? entry : best,
    );
    merges.push(pair);
    for (const word of corpus) word.symbols = mergePair(word.symbols, pair);
  }
}

function mergePair(symbols: string[], [left, right]: [string, string]): string[] {
  const merged: string[] = [];
  for (let index = 0; index < symbols.length; index++) {
    if (symbols[index] === left && symbols[index + 1] === right) {
      merged.push(left + right);
      index++;
    } else {
      merged.push(symbols[index]!);
    }
  }
  return merged;
}

/** New merges of two known tokens of Latin letters, a space before them or none, commonest pairs first. */
function pairsOf(known: Set<string>, space: string, wanted: number): [string, string][] {
  const letters = /^[A-Za-z]+$/;
  const tails = [...known].filter((token) => letters.test(token));
  const heads = [...known].filter((token) => letters.test(token.startsWith(space) ? token.slice(1) : token));
  const pairs: [string, string][] = [];
  for (let diagonal = 0; diagonal < heads.length + tails.length; diagonal++) {
    for (
      let head = Math.max(0, diagonal - tails.length + 1);
      head <= Math.min(diagonal, heads.length - 1);
      head++
    ) {
      if (pairs.length >= wanted) return pairs;
      const pair: [string, string] = [heads[head]!, tails[diagonal - head]!];
      const token = pair.join('');
      if (token.length > longestToken || known.has(token)) continue;
      known.add(token);
      pairs.push(pair);
    }
  }
  return pairs;
}
