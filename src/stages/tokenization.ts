import { TokenworkError } from '../core/errors.js';

/** Token ids, or a text that the model's tokenizer turns into them. */
export type Prompt = { kind: 'ids'; ids: readonly number[] } | { kind: 'text'; text: string };

export type Encode = (text: string) => readonly number[];

/**
 * The ids of a prompt; ids given as such pass through. Throws TokenworkError `empty-prompt`,
 * `tokenizer-missing`, or `tokenizer-mismatch` where an id lies outside the model's vocabulary.
 */
export function tokenize(prompt: Prompt, encode: Encode | null, vocabulary: number): readonly number[] {
  const ids = prompt.kind === 'ids' ? prompt.ids : encodeText(prompt.text, encode);
  if (ids.length === 0) {
    throw new TokenworkError(
      'empty-prompt',
      'The prompt has no tokens.',
      'A decoder needs at least one token to start from; use a longer prompt.',
    );
  }
  for (const id of ids) {
    if (id >= 0 && id < vocabulary) continue;
    throw new TokenworkError(
      'tokenizer-mismatch',
      `The prompt has token id ${id}, but the model knows ids 0 to ${vocabulary - 1} only.`,
      'The tokenizer belongs to another model; check tokenizer.json beside the model.',
    );
  }
  return ids;
}

function encodeText(text: string, encode: Encode | null): readonly number[] {
  if (encode !== null) return encode(text);
  throw new TokenworkError(
    'tokenizer-missing',
    'A prompt of text needs a tokenizer, and this model has none.',
    'Put tokenizer.json beside the model, or use a suite of synthetic prompts.',
  );
}
