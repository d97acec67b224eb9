import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { z } from 'zod';
import { messageOf, TokenworkError } from '../core/errors.js';
import { describeIssue, firstIssue } from '../core/json/schema-issue.js';
import { plainText } from '../core/text.js';
import type { ChatMessage } from '../models/tokenizer.js';
import { type JsonForm, jsonRecords } from './json-records.js';
import type { RecordedTime } from './traces/arrival-times.js';
import { momentOf } from './traces/moment.js';

/** A prompt of a user's file, with what the file says of its answer. */
export interface PromptRecord {
  /** `custom_id` or `id`, or the name of its own file; null where it has none. */
  name: string | null;
  path: string;
  /** From 1; of a file that is one prompt, 1. */
  line: number;
  /** The prompt; of messages, their contents joined by blank lines. */
  text: string;
  /** For the chat template of the model that reads them. */
  messages?: ChatMessage[];
  /** The answer's length; null where the file leaves it open. */
  maxTokens: number | null;
  /** When it is asked, in the formats of AIPerf; null elsewhere. */
  time: RecordedTime;
}

interface ReadOptions {
  /** Told of each conversation that asks nothing, and is left out. */
  onSkipped?: (path: string, line: number) => void;
}

const hint =
  'A prompt is a text, or an object with "prompt", "messages", "body" (OpenAI batch), "conversations" (ShareGPT), or "text", "text_input" or "turns" (AIPerf): one a line, or in one array.';

/**
 * The prompts of a file, one after the other as they are read:
 *
 * - JSONL or a JSON array, of texts, `{"prompt"}` (vllm bench's with `output_tokens`), `{"messages"}`, requests of an
 *   OpenAI batch, AIPerf's `{"text"}` and `{"text_input"}` with their times, or conversations of ShareGPT and AIPerf
 *   (`{"turns"}`), of which all up to the first question is the prompt;
 * - a text (.txt, .md), which is one prompt, without the line ends around it;
 * - a folder of such files (.txt, .md, .json), by name.
 *
 * Throws TokenworkError `unreadable-prompts`; `bad-prompt` or `empty-prompt`, naming the line.
 */
export async function* readPrompts(path: string, options: ReadOptions = {}): AsyncGenerator<PromptRecord> {
  let count = 0;
  for await (const file of filesAt(path)) {
    const isText = ['.txt', '.md'].includes(extname(file).toLowerCase());
    for await (const record of isText ? textPrompt(file, file !== path) : jsonPrompts(file, options)) {
      count++;
      yield record;
    }
  }
  if (count === 0) throw new TokenworkError('empty-prompt', `${path} holds no prompt.`, hint);
}

async function* filesAt(path: string): AsyncGenerator<string> {
  const entries = await readdir(path).catch(async (cause: unknown) => {
    // What is no folder is read as a file, which says itself why it cannot be.
    const isFolder = await stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (isFolder) throw unreadable(path, cause);
    return null;
  });
  if (entries === null) {
    yield path;
    return;
  }
  for (const name of entries.filter((entry) => /\.(txt|md|json)$/i.test(entry)).sort())
    yield join(path, name);
}

async function* textPrompt(path: string, isNamed: boolean): AsyncGenerator<PromptRecord> {
  const text = await readPromptText(createReadStream(path), path);
  yield {
    name: isNamed ? plainText(basename(path)) : null,
    path,
    line: 1,
    text,
    maxTokens: null,
    time: null,
  };
}

/** Bytes of one text: more than any model reads. */
const mostBytes = 2 ** 26;

/**
 * A text that is one prompt, without the line ends around it. Throws TokenworkError `unreadable-prompts`, `bad-prompt`
 * or `empty-prompt`.
 */
export async function readPromptText(source: AsyncIterable<Uint8Array>, path: string): Promise<string> {
  let text = '';
  for await (const chunk of decoded(source, path)) {
    text += chunk;
    if (text.length > mostBytes) throw badPrompt(path, null, `it is longer than ${mostBytes / 2 ** 20} MiB`);
  }
  const prompt = text.replace(/^[\r\n]+|[\r\n]+$/g, '');
  if (prompt === '') throw emptyPrompt(path, null);
  return prompt;
}

async function* jsonPrompts(path: string, { onSkipped }: ReadOptions): AsyncGenerator<PromptRecord> {
  const form: JsonForm = extname(path).toLowerCase() === '.json' ? 'document' : 'lines';
  const fail = (line: number, problem: string) => badPrompt(path, line, problem);
  for await (const { text, line } of jsonRecords(decoded(createReadStream(path), path), form, fail)) {
    const prompt = promptOf(parsed(text, path, line), (problem) => fail(line, problem));
    if (prompt === null) {
      onSkipped?.(path, line);
      continue;
    }
    if (prompt.text === '') throw emptyPrompt(path, line);
    yield { path, line, ...prompt };
  }
}

function parsed(text: string, path: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw badPrompt(path, line, `it is no JSON: ${messageOf(cause)}`, cause);
  }
}

type Prompt = Omit<PromptRecord, 'path' | 'line'>;

const name = z.union([z.string(), z.number()]).nullish();
const length = z.int().positive().nullish();
/** A part that is no text, such as an image, is refused: no model here reads one. */
const content = z.union([
  z.string(),
  z.array(z.object({ type: z.literal('text'), text: z.string() })).transform((parts) => {
    return parts.map(({ text }) => text).join('\n');
  }),
]);
const messages = z.array(z.object({ role: z.string().min(1), content })).min(1);
const lengths = {
  ...{ max_tokens: length, max_completion_tokens: length },
  /** vllm bench's and AIPerf's. */
  ...{ output_tokens: length, output_length: length },
};
/** Milliseconds. */
const timed = { timestamp: z.number().nonnegative().nullish(), delay: z.number().nonnegative().nullish() };

const schemas = {
  prompt: z.object({ prompt: z.string(), ...lengths }),
  messages: z.object({ messages, ...lengths }),
  conversations: z.object({ conversations: z.array(z.object({ from: z.string(), value: z.string() })) }),
  text: z.object({ text: z.string(), ...lengths, ...timed }),
  textInput: z.object({ text_input: z.string(), ...lengths, ...timed }),
};
const turns = z.object({ turns: z.array(schemas.text).min(1) });

/** Null where a conversation asks nothing. Throws what `fail` makes of a value that is no prompt. */
function promptOf(value: unknown, fail: (problem: string) => TokenworkError): Prompt | null {
  if (typeof value === 'string') return { name: null, text: value, maxTokens: null, time: null };
  const read = <Schema extends z.ZodType>(schema: Schema, of: unknown): z.output<Schema> => {
    const checked = schema.safeParse(of);
    if (checked.success) return checked.data;
    throw fail(describeIssue(firstIssue(checked.error)));
  };
  const has = (key: string) => typeof value === 'object' && value !== null && key in value;
  const named = () => nameIn(read(z.object({ custom_id: name, id: name }), value));
  if (has('body')) {
    const { body } = read(z.object({ body: z.record(z.string(), z.unknown()) }), value);
    if ('body' in body) throw fail('its body has a body');
    const prompt = promptOf(body, (problem) => fail(`body: ${problem}`));
    return prompt && { ...prompt, name: named() };
  }
  if (has('messages')) {
    const chat = read(schemas.messages, value);
    return { name: named(), ...joined(chat.messages), maxTokens: lengthIn(chat), time: null };
  }
  if (has('conversations')) {
    const { conversations } = read(schemas.conversations, value);
    const asked = question(conversations);
    return asked && { name: named(), ...joined(asked), maxTokens: null, time: null };
  }
  if (has('prompt')) {
    const plain = read(schemas.prompt, value);
    return { name: named(), text: plain.prompt, maxTokens: lengthIn(plain), time: null };
  }
  if (has('text_input')) {
    const { text_input: text, ...rest } = read(schemas.textInput, value);
    return { name: named(), text, maxTokens: lengthIn(rest), time: timeIn(rest) };
  }
  if (!has('text') && !has('turns'))
    throw fail('it has neither "prompt", "messages", "body", "conversations", "text" nor "turns"');
  const asked = has('turns') ? read(turns, value).turns[0]! : read(schemas.text, value);
  return { name: named(), text: asked.text, maxTokens: lengthIn(asked), time: timeIn(asked) };
}

function nameIn(ids: { custom_id?: string | number | null; id?: string | number | null }): string | null {
  const own = ids.custom_id ?? ids.id;
  return own === undefined || own === null || own === '' ? null : plainText(String(own));
}

type Lengths = z.output<z.ZodObject<typeof lengths>>;

function lengthIn(body: Lengths): number | null {
  return body.max_completion_tokens ?? body.max_tokens ?? body.output_tokens ?? body.output_length ?? null;
}

/** As of a line of AIPerf's traces: a delay alone is a time after the answer before it. */
function timeIn({ timestamp, delay }: z.output<z.ZodObject<typeof timed>>): RecordedTime {
  if (typeof timestamp === 'number') return momentOf(timestamp, 'milliseconds');
  return typeof delay === 'number' ? 'after-answer' : null;
}

function joined(own: ChatMessage[]): { text: string; messages: ChatMessage[] } {
  return { text: own.map((message) => message.content).join('\n\n'), messages: own };
}

const askers = ['human', 'user'];

/**
 * System messages and the first question; as serving benchmarks take ShareGPT, whose long conversations were split
 * anywhere, so that some begin with an answer. Null where nobody asks.
 */
function question(turns: readonly { from: string; value: string }[]): ChatMessage[] | null {
  const first = turns.findIndex(({ from }) => askers.includes(from));
  if (first < 0) return null;
  const system = turns.slice(0, first).filter(({ from }) => from === 'system');
  return [
    ...system.map(({ value }) => ({ role: 'system', content: value })),
    { role: 'user', content: turns[first]!.value },
  ];
}

/** Throws TokenworkError `unreadable-prompts`, or `bad-prompt` for what is no UTF-8 or holds a zero byte. */
async function* decoded(source: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = (chunk?: Uint8Array) => {
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined });
    } catch (cause) {
      throw badPrompt(path, null, 'it is no text in UTF-8', cause);
    }
  };
  try {
    for await (const chunk of source) {
      const text = decode(chunk);
      if (text.includes('\0')) throw badPrompt(path, null, 'it holds zero bytes, and so is no text');
      yield text;
    }
  } catch (cause) {
    throw cause instanceof TokenworkError ? cause : unreadable(path, cause);
  }
  yield decode();
}

function unreadable(path: string, cause: unknown): TokenworkError {
  const message = `The prompts at ${path} cannot be read: ${messageOf(cause)}.`;
  return new TokenworkError('unreadable-prompts', message, 'Check the path and its permissions.', { cause });
}

export function badPrompt(
  path: string,
  line: number | null,
  problem: string,
  cause?: unknown,
): TokenworkError {
  const where = line === null ? path : `${path}:${line}`;
  const what = line === null ? 'Give it as text in UTF-8.' : hint;
  return new TokenworkError('bad-prompt', `${where}: ${problem}.`, what, { cause });
}

function emptyPrompt(path: string, line: number | null): TokenworkError {
  return new TokenworkError(
    'empty-prompt',
    `${line === null ? path : `${path}:${line}`}: the prompt is empty.`,
    'A decoder needs at least one token to start from.',
  );
}
