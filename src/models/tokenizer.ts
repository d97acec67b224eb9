import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf, TokenworkError } from '../core/errors.js';
import { otherwise } from '../core/log.js';
import { readJsonObject } from './json-file.js';

/** A turn of a conversation, as chat templates take it. */
export interface ChatMessage {
  role: string;
  content: string;
}

/** Text to token ids and back. */
export interface Tokenizer {
  /** Ids of a prompt, with the special tokens (BOS) that the model's tokenizer config adds. */
  encode(text: string): number[];
  /** Ids of a conversation by the model's chat template, up to where it answers; null: the model has no template. */
  encodeChat: ((messages: readonly ChatMessage[]) => number[]) | null;
  /** Text of ids, special tokens left out. */
  decode(ids: readonly number[]): string;
  /** Largest id there is, plus one: at most the model's vocabulary. */
  vocabulary: number;
  /** Ids that are no text: BOS, end-of-text, padding, chat marks. */
  specialTokenIds: ReadonlySet<number>;
}

/** The files of a model folder's tokenizer. */
interface TokenizerFiles {
  json: Record<string, unknown>;
  /** With the chat template in it, wherever it lies. */
  config: Record<string, unknown>;
  hasChatTemplate: boolean;
  /** Largest id there is, plus one. */
  vocabulary: number;
}

const id = z.int().nonnegative();

/** The parts that decide which ids exist: BPE and WordPiece map tokens to ids, Unigram lists its tokens. */
const tokenizerSchema = z.object({
  model: z.object({ vocab: z.union([z.record(z.string(), id), z.array(z.unknown())]) }),
  added_tokens: z.array(z.object({ id })).nullish(),
});

/**
 * The tokenizer of a model folder, from its files alone (nothing is fetched).
 * Throws TokenworkError `no-tokenizer`, `bad-tokenizer` or one of `readJsonObject`'s.
 */
export async function loadTokenizer(directory: string): Promise<Tokenizer> {
  const files = await readTokenizerFiles(directory);
  // Imported here because it takes some 100 ms and 50 MB, which a command that never tokenizes should not pay.
  const { PreTrainedTokenizer } = await import('@huggingface/transformers');
  /** The library finds out what a file lacks where it first needs it, and says so in words of JavaScript. */
  const ask = <Answer>(question: () => Answer): Answer => {
    try {
      return question();
    } catch (cause) {
      throw badTokenizer(directory, messageOf(cause), cause);
    }
  };
  const inner = ask(() => new PreTrainedTokenizer(files.json, files.config));
  const encode = (text: string): number[] => {
    const ids = ask(() => inner.encode(text));
    if (ids.every((id) => Number.isInteger(id))) return ids;
    throw badTokenizer(directory, 'it has no id for a part of the text', undefined);
  };
  const completeStart = startCompleter(encode('')[0], inner.bos_token_id, files.config.add_bos_token);
  // The template writes BOS itself where the model wants one.
  const encodeChat = (messages: readonly ChatMessage[]) =>
    ask(() => {
      const text = inner.apply_chat_template([...messages], { tokenize: false, add_generation_prompt: true });
      return inner.encode(text as string, { add_special_tokens: false });
    });
  return {
    encode: (text) => completeStart(encode(text)),
    encodeChat: files.hasChatTemplate ? encodeChat : null,
    decode: (ids) =>
      ids.length === 0 ? '' : ask(() => inner.decode([...ids], { skip_special_tokens: true })),
    vocabulary: files.vocabulary,
    specialTokenIds: new Set(inner.all_special_ids),
  };
}

/**
 * Reads `tokenizer.json` and `tokenizer_config.json` and finds the largest id, without building the
 * tokenizer. Throws TokenworkError `no-tokenizer`, `bad-tokenizer` or one of `readJsonObject`'s.
 */
export async function readTokenizerFiles(directory: string): Promise<TokenizerFiles> {
  const path = join(directory, 'tokenizer.json');
  if (!(await exists(path))) {
    throw new TokenworkError(
      'no-tokenizer',
      `${directory} has no tokenizer.json.`,
      'Save the model’s fast tokenizer into the folder; a tokenizer.model or vocab.json alone is not enough.',
    );
  }
  const json = await readJsonObject(path);
  const configPath = join(directory, 'tokenizer_config.json');
  const ownConfig = (await exists(configPath)) ? await readJsonObject(configPath) : {};
  const beside = await readFile(join(directory, 'chat_template.jinja'), 'utf8').catch(
    otherwise(null, 'looking for a chat template'),
  );
  const config = beside === null ? ownConfig : { ...ownConfig, chat_template: beside };
  const parsed = tokenizerSchema.safeParse(json);
  if (!parsed.success) {
    const { path: where, message } = parsed.error.issues[0]!;
    throw badTokenizer(directory, `${where.join('.')}: ${message}`, parsed.error);
  }
  const { model, added_tokens } = parsed.data;
  let vocabulary = Array.isArray(model.vocab) ? model.vocab.length : 0;
  if (!Array.isArray(model.vocab))
    for (const tokenId of Object.values(model.vocab)) vocabulary = Math.max(vocabulary, tokenId + 1);
  for (const token of added_tokens ?? []) vocabulary = Math.max(vocabulary, token.id + 1);
  const { chat_template } = config;
  return { json, config, vocabulary, hasChatTemplate: chat_template !== undefined && chat_template !== null };
}

/**
 * `add_bos_token` in the tokenizer's config overrules the template in tokenizer.json, which some
 * published folders leave without BOS; without the field the template decides.
 */
function startCompleter(
  templateStart: number | undefined,
  bosId: number | undefined,
  addBos: unknown,
): (ids: number[]) => number[] {
  const templateAddsBos = bosId !== undefined && templateStart === bosId;
  if (addBos === true && bosId !== undefined && !templateAddsBos) return (ids) => [bosId, ...ids];
  if (addBos === false && templateAddsBos) return (ids) => ids.slice(1);
  return (ids) => ids;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, otherwise(false, 'looking for a tokenizer'));
}

function badTokenizer(directory: string, why: string, cause: unknown): TokenworkError {
  return new TokenworkError(
    'bad-tokenizer',
    `The tokenizer in ${directory} cannot be used: ${why}.`,
    'Save the tokenizer again from the model it belongs to.',
    { cause },
  );
}
