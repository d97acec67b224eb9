import { createReadStream } from 'node:fs';
import { TokenworkError } from '../core/errors.js';
import { type NamedPrompt, namedPrompts, usualAnswerTokens } from '../workload/named-prompts.js';
import { readPromptText } from '../workload/prompt-file.js';
import { referenceTokens } from '../workload/prompt-suite.js';

export interface TraceInput {
  prompts: NamedPrompt[];
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
  // The reference request's cell goes by its own.
  const read = await namedPrompts(path, { limit, answerTokens, taken: [`p${referenceTokens}`] });
  return { ...read, isFile: true, isPublishedExample: false };
}
