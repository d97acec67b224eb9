import { TokenworkError } from '../core/errors.js';
import { deriveSeed } from '../stats/random.js';
import type { LoadedModel, TextTokenizer } from './loaded-model.js';
import { nameOf, type PolicyOf, plainChat, readsText } from './pipeline.js';
import type { Prompt, PromptRows, RequestInput, RequestState } from './request.js';
import type { RequestSpec } from './request-spec.js';
import { syntheticTokenIds } from './synthetic-tokens.js';

/**
 * The prompts of a request's rows for one model. Synthetic ones are drawn, and made into texts as well where a
 * stage reads them as such. Different neighbours have seeds of their own, so that the rows of a smaller batch are
 * among those of a larger one. Throws TokenworkError `tokenizer-missing`.
 */
export function promptRows(
  { prompt, batch, neighbours, pipeline = plainChat }: RequestSpec,
  { decoder, eosTokenIds, tokenizer }: LoadedModel,
): PromptRows {
  if (prompt.kind === 'text') return { prompt };
  const { tokens, seed, blocks } = prompt;
  const rows = neighbours === 'different' ? batch : 1;
  const [ids, ...otherRows] = Array.from({ length: rows }, (_, row) =>
    syntheticTokenIds({
      tokens,
      seed: row === 0 ? seed : deriveSeed(seed, row),
      blocks: row === 0 || blocks === undefined ? blocks : { ...blocks, seed: deriveSeed(blocks.seed, row) },
      vocabulary: decoder.vocabulary,
      avoid: eosTokenIds,
    }),
  ) as [number[], ...number[][]];
  const decode = readsText(pipeline) ? tokenizerOf(tokenizer).decode : null;
  return {
    prompt: { kind: 'ids', ids, ...(decode && { text: decode(ids) }) },
    ...(neighbours === 'different' && { otherRows }),
    ...(neighbours === 'different' && decode && { otherTexts: otherRows.map((own) => decode(own)) }),
  };
}

/** The prompt as the chat model's tokens. No model evaluates any, so it is charged with none. */
export function runTokenization(policy: PolicyOf<'tokenization'>, state: RequestState): void {
  const { input, chat } = state;
  state.promptIds = tokenize(input.prompt, chat.tokenizer, chat.decoder.vocabulary);
  state.ledger.close({ name: nameOf(policy), type: policy.type, visible: false, tokens: 0, billed: 0 });
}

/** The completion as text; that of a prompt given as mere ids stays ids. */
export function runDetokenization(policy: PolicyOf<'detokenization'>, state: RequestState): void {
  const { input, chat, completions } = state;
  if (textOf(input.prompt) !== null) {
    const { decode } = tokenizerOf(chat.tokenizer);
    state.texts = completions.map((ids) => decode(ids));
  }
  state.ledger.close({ name: nameOf(policy), type: policy.type, visible: false, tokens: 0, billed: 0 });
}

/**
 * The ids of a prompt; ids given as such pass through. Throws TokenworkError `empty-prompt`,
 * `tokenizer-missing`, or `tokenizer-mismatch` where an id lies outside the model's vocabulary.
 */
export function tokenize(
  prompt: Prompt,
  tokenizer: Pick<TextTokenizer, 'encode' | 'encodeChat'> | null,
  vocabulary: number,
): readonly number[] {
  const ids = prompt.kind === 'ids' ? prompt.ids : encoded(prompt, tokenizerOf(tokenizer));
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

function encoded(
  { text, messages }: Extract<Prompt, { kind: 'text' }>,
  { encode, encodeChat }: Pick<TextTokenizer, 'encode' | 'encodeChat'>,
): readonly number[] {
  return messages !== undefined && encodeChat ? encodeChat(messages) : encode(text);
}

/** The prompt of each row as text. Throws TokenworkError `tokenizer-missing` where one is mere ids. */
export function rowTexts({ prompt, otherRows, otherTexts, batch }: RequestInput): string[] {
  const first = textOf(prompt) ?? tokenizerOf<string>(null);
  if (otherRows === undefined) return Array.from({ length: batch }, () => first);
  return [first, ...(otherTexts ?? tokenizerOf<string[]>(null))];
}

/** The text of a prompt; null where it is mere ids. */
function textOf(prompt: Prompt): string | null {
  return prompt.text ?? null;
}

/** Throws TokenworkError `tokenizer-missing`. */
export function tokenizerOf<T>(tokenizer: T | null): T {
  if (tokenizer !== null) return tokenizer;
  throw new TokenworkError(
    'tokenizer-missing',
    'A prompt of text needs a tokenizer, and this model has none.',
    'Put tokenizer.json beside the model, or use a suite of synthetic prompts.',
  );
}
