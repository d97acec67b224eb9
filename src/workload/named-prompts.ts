import { basename } from 'node:path';
import type { Warning } from '../core/codes.js';
import { TokenworkError } from '../core/errors.js';
import type { Nanoseconds } from '../core/units.js';
import type { ChatMessage } from '../models/tokenizer.js';
import { badPrompt, type PromptRecord, readPrompts } from './prompt-file.js';
import { ArrivalTimes } from './traces/arrival-times.js';

/** A prompt of a file under a name of its own: `custom_id` or `id`, else its file and line. */
export interface NamedPrompt {
  name: string;
  text: string;
  messages?: ChatMessage[];
  /** Completion tokens of its answer. */
  answerTokens: number;
  /** From the first prompt on; absent where the file tells no times. */
  arrivalNs?: Nanoseconds;
}

/** The answer of a short chat turn, where the file leaves its length open. */
export const usualAnswerTokens = 64;

/** More would take days; `--limit` names the first of them. */
const mostPrompts = 10_000;

/**
 * The prompts of a file or folder, the first `limit` of them, by time where they have times; with how many conversations
 * in which nobody asks were left out. Throws TokenworkError `too-many-requests`, and what reading them throws.
 *
 * @param taken names that no prompt may have
 */
export async function namedPrompts(
  path: string,
  { limit, answerTokens = usualAnswerTokens, taken = [] }: NamedPromptsOptions,
): Promise<{ prompts: NamedPrompt[]; skipped: number; warnings: Warning[] }> {
  let skipped = 0;
  const records: PromptRecord[] = [];
  for await (const record of readPrompts(path, { onSkipped: () => skipped++ })) {
    records.push(record);
    if (records.length === limit) break;
    if (records.length > mostPrompts) {
      const most = mostPrompts.toLocaleString('en');
      throw new TokenworkError(
        'too-many-requests',
        `${path} holds more than ${most} prompts.`,
        'Add --limit N.',
      );
    }
  }
  const files = new Set(records.map((record) => record.path));
  const unique = uniqueNames(taken);
  let at = path;
  const times = new ArrivalTimes((line, problem) => badPrompt(at, line, problem));
  const prompts = records.map(({ name, path: file, line, text, messages, maxTokens, time }) => {
    at = file;
    return {
      name: unique(name ?? (files.size > 1 ? `${basename(file)}:${line}` : `line ${line}`)),
      text,
      ...(messages && { messages }),
      answerTokens: maxTokens ?? answerTokens,
      arrivalNs: times.add(time, line),
    };
  });
  times.arrange(prompts);
  return {
    prompts: prompts.map(({ arrivalNs, ...prompt }) =>
      arrivalNs === null ? prompt : { ...prompt, arrivalNs },
    ),
    skipped,
    warnings: times.warnings,
  };
}

/** The same for prompts that ask the same in the same way. */
export function alikeKey({ name: _, arrivalNs: __, ...request }: NamedPrompt): string {
  return JSON.stringify(request);
}

interface NamedPromptsOptions {
  limit?: number | undefined;
  answerTokens?: number | undefined;
  taken?: readonly string[];
}

/** Makes a name one of its own: cells go by it. */
function uniqueNames(reserved: readonly string[]): (name: string) => string {
  const taken = new Set(reserved);
  return (name) => {
    let own = name;
    for (let number = 2; taken.has(own); number++) own = `${name} (${number})`;
    taken.add(own);
    return own;
  };
}
