import { createReadStream } from 'node:fs';
import { z } from 'zod';
import { messageOf, TokenworkError } from '../core/errors.js';
import { describeIssue, firstIssue } from '../core/json/schema-issue.js';
import { jsonRecords } from './json-records.js';

/** What a server billed for one request. */
export interface LoggedUsage {
  prompt: number;
  /** Of the prompt. */
  cached: number;
  completion: number;
  /** Of the completion. */
  reasoning: number;
  /** Epoch milliseconds. */
  time: number | null;
  model: string | null;
}

const hint =
  'A line is a response body with "usage", the usage itself (prompt_tokens, completion_tokens, or input_tokens, output_tokens), or an object that holds one of them.';

/**
 * The usage of each request of a log, one after the other as they are read: a JSON value a line, which is a response body
 * of an OpenAI-compatible server, its `usage` alone, `{timestamp, usage}`, or a line of an OpenAI batch's output. Null
 * stands for a line without usage, as of a request that failed.
 *
 * Throws TokenworkError `unreadable-usage`; `bad-usage`, naming the line.
 */
export async function* readUsage(path: string): AsyncGenerator<LoggedUsage | null> {
  const fail = (line: number, problem: string, cause?: unknown) =>
    new TokenworkError('bad-usage', `${path}:${line}: ${problem}.`, hint, { cause });
  const source = path === '-' ? process.stdin.setEncoding('utf8') : createReadStream(path, 'utf8');
  try {
    for await (const { text, line } of jsonRecords(source as AsyncIterable<string>, 'lines', fail)) {
      let value: unknown;
      try {
        value = JSON.parse(text.replace(/^\uFEFF/, ''));
      } catch (cause) {
        throw fail(line, `it is no JSON: ${messageOf(cause)}`, cause);
      }
      yield usageIn(value, (problem) => fail(line, problem));
    }
  } catch (cause) {
    if (cause instanceof TokenworkError) throw cause;
    const message = `The log ${path} cannot be read: ${messageOf(cause)}.`;
    throw new TokenworkError('unreadable-usage', message, 'Check the path and its permissions.', { cause });
  }
}

const count = z.int().nonnegative();
const details = (key: 'cached_tokens' | 'reasoning_tokens') =>
  z.looseObject({ [key]: count.nullish() }).nullish();

const usageSchema = z.looseObject({
  prompt_tokens: count.nullish(),
  completion_tokens: count.nullish(),
  prompt_tokens_details: details('cached_tokens'),
  completion_tokens_details: details('reasoning_tokens'),
  input_tokens: count.nullish(),
  output_tokens: count.nullish(),
  input_tokens_details: details('cached_tokens'),
  output_tokens_details: details('reasoning_tokens'),
  // Anthropic's: apart from the input tokens, and not among them.
  cache_read_input_tokens: count.nullish(),
  cache_creation_input_tokens: count.nullish(),
});

type Fields = Record<string, unknown>;
const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function usageIn(value: unknown, fail: (problem: string) => TokenworkError): LoggedUsage | null {
  if (!isFields(value)) throw fail('it is no object');
  const holders = holdersIn(value);
  const usage = holders.map((holder) => holder.usage).find(isFields) ?? holders.find(isUsage);
  if (usage === undefined) return null;
  const checked = usageSchema.safeParse(usage);
  if (!checked.success) throw fail(describeIssue(firstIssue(checked.error)));
  const read = checked.data;
  const prompt = read.prompt_tokens ?? read.input_tokens;
  const completion = read.completion_tokens ?? read.output_tokens ?? 0;
  if (prompt === undefined || prompt === null) return null;
  const [readBefore, written] = [read.cache_read_input_tokens ?? 0, read.cache_creation_input_tokens ?? 0];
  const all = prompt + readBefore + written;
  const cached =
    detail(read.prompt_tokens_details ?? read.input_tokens_details, 'cached_tokens') + readBefore;
  const reasoning = detail(read.completion_tokens_details ?? read.output_tokens_details, 'reasoning_tokens');
  if (cached > all) throw fail(`${cached} cached tokens are more than the prompt's ${all}`);
  if (reasoning > completion)
    throw fail(`${reasoning} reasoning tokens are more than the completion's ${completion}`);
  const model = holders.map((holder) => holder.model).find((name) => typeof name === 'string');
  return {
    prompt: all,
    cached,
    completion,
    reasoning,
    time: timeIn(holders),
    model: (model as string) ?? null,
  };
}

/** The value, and the objects within it that logs put a response into. */
function holdersIn(value: Fields): Fields[] {
  const { response, body } = value;
  const inner = isFields(response) ? response.body : undefined;
  return [value, response, inner, body].filter(isFields);
}

const isUsage = (value: Fields) => value.prompt_tokens !== undefined || value.input_tokens !== undefined;

function detail(details: Fields | null | undefined, key: string): number {
  return (details?.[key] as number | null | undefined) ?? 0;
}

/** `timestamp`, in ISO 8601, or `created`, in seconds as OpenAI has it; milliseconds where seconds would lie far ahead. */
function timeIn(holders: readonly Fields[]): number | null {
  for (const holder of holders) {
    const value = holder.timestamp ?? holder.created ?? holder.created_at;
    if (typeof value === 'string') {
      const time = Date.parse(value);
      if (Number.isFinite(time)) return time;
    }
    if (typeof value === 'number' && value > 0) return value > 1e11 ? value : value * 1000;
  }
  return null;
}
