import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { TokenworkError } from '../core/errors.js';
import { type PromptRecord, readPrompts, readPromptText } from '../workload/prompt-file.js';
import { type PromptToTrace, referenceTokens } from '../workload/prompt-suite.js';

export interface TraceInput {
  prompts: PromptToTrace[];
  /** Whether they come from a file of prompts, and so are shown as a table. */
  isFile: boolean;
  /** Whether it is what the published claim speaks of: "Hello" through its pipeline, answered with two tokens. */
  isPublishedExample: boolean;
  /** Conversations that ask nothing. */
  skipped: number;
}

export interface InputFlags {
  pipeline: string;
  promptFile?: string;
  prompts?: string;
  limit?: number;
  answerTokens?: number;
}

/** "Hello", 1 token in and 2 out. */
export const publishedExample = { text: 'Hello', pipeline: 'guarded-rag-reasoning', answerTokens: 2 };

/**
 * An answer of a short chat turn. One of two tokens would make any pipeline look costly, as what runs once a request is
 * then weighed against next to nothing.
 */
export const usualAnswerTokens = 64;

/** More would take days; `--limit` names the first of them. */
const mostPrompts = 10_000;

/** The prompts that the command line names. Throws TokenworkError `bad-option`, and what reading them throws. */
export async function promptsToTrace(argument: string | undefined, flags: InputFlags): Promise<TraceInput> {
  const { promptFile, prompts, limit } = flags;
  const given = [argument, promptFile, prompts].filter((source) => source !== undefined).length;
  if (given !== 1) {
    throw new TokenworkError(
      'bad-option',
      given === 0 ? 'No prompt is given.' : 'Prompts are given in more than one way.',
      'Give one of: tokenwork trace "TEXT", trace - (standard input), --prompt-file FILE, --prompts FILE.jsonl.',
    );
  }
  if (prompts !== undefined) return fromFile(prompts, flags);
  if (limit !== undefined)
    throw new TokenworkError(
      'bad-option',
      '--limit is of a file of prompts.',
      'Add --prompts FILE, or leave it out.',
    );
  return single(await textOf(argument, promptFile), flags);
}

async function textOf(argument: string | undefined, promptFile: string | undefined): Promise<string> {
  if (argument === '-' || promptFile === '-') return readPromptText(process.stdin, 'standard input');
  if (promptFile !== undefined) return readPromptText(createReadStream(promptFile), promptFile);
  if (argument) return argument;
  throw new TokenworkError(
    'empty-prompt',
    'The prompt is empty.',
    'A decoder needs at least one token to start from: tokenwork trace "Hello".',
  );
}

function single(text: string, { pipeline, answerTokens }: InputFlags): TraceInput {
  const isPublished = text === publishedExample.text && pipeline === publishedExample.pipeline;
  const usual = isPublished ? publishedExample.answerTokens : usualAnswerTokens;
  const tokens = answerTokens ?? usual;
  return {
    prompts: [{ name: 'prompt', text, answerTokens: tokens }],
    isFile: false,
    isPublishedExample: isPublished && tokens === publishedExample.answerTokens,
    skipped: 0,
  };
}

async function fromFile(path: string, { limit, answerTokens }: InputFlags): Promise<TraceInput> {
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
  const unique = uniqueNames();
  const prompts = records.map(({ name, path: file, line, text, messages, maxTokens }) => ({
    name: unique(name ?? (files.size > 1 ? `${basename(file)}:${line}` : `line ${line}`)),
    text,
    ...(messages && { messages }),
    answerTokens: maxTokens ?? answerTokens ?? usualAnswerTokens,
  }));
  return { prompts, isFile: true, isPublishedExample: false, skipped };
}

/** Makes a name one of its own: cells go by it, beside the reference request. */
function uniqueNames(): (name: string) => string {
  const taken = new Map([[`p${referenceTokens}`, 1]]);
  return (name) => {
    const before = taken.get(name) ?? 0;
    taken.set(name, before + 1);
    const own = before === 0 ? name : `${name} (${before + 1})`;
    if (own !== name) taken.set(own, 1);
    return own;
  };
}
