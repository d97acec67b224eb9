import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { TokenworkError } from '../core/errors.js';
import { describeIssue, firstIssue } from '../core/json/schema-issue.js';
import type { ChatMessage } from '../models/tokenizer.js';

const headerSchema = z.strictObject({
  /** The sort of request: `greeting`, `chat`, `summarisation` … */
  kind: z.string().min(1),
  /** A BCP 47 tag, the name of a programming language, or `mul` for several at once. */
  language: z.string().min(1),
  /** Prompts that say the same in different languages share this word. */
  meaning: z.string().min(1).optional(),
  /** Thinking that it takes, 1 for the usual: reasoning "by difficulty" is as many times as long. */
  difficulty: z.coerce.number().positive().default(1),
});

export interface Prompt extends z.infer<typeof headerSchema> {
  name: string;
  text: string;
  /** For the model's chat template; `text` has their contents. */
  messages?: ChatMessage[];
}

const promptDirectory = fileURLToPath(new URL('../../bench/prompts/', import.meta.url));

/** The shipped prompts, by name. */
export async function loadPrompts(): Promise<Map<string, Prompt>> {
  const files = (await readdir(promptDirectory)).filter((file) => file.endsWith('.txt')).sort();
  const prompts = await Promise.all(
    files.map(async (file) => {
      const content = await readFile(join(promptDirectory, file), 'utf8');
      return parsePrompt(file.slice(0, -'.txt'.length), content);
    }),
  );
  return new Map(prompts.map((prompt) => [prompt.name, prompt]));
}

/**
 * A prompt file: `key: value` lines between two `---` lines, then the text; line ends around the text are
 * not part of it. Throws TokenworkError `bad-prompt`.
 */
export function parsePrompt(name: string, content: string): Prompt {
  if (/^p\d+$/.test(name)) throw badPrompt(name, 'p and a number is what synthetic prompts are called');
  const parts = /^---\r?\n(?<header>.*?)\r?\n---\r?\n(?<text>.*)$/s.exec(content)?.groups;
  if (parts === undefined) throw badPrompt(name, 'it has no header between two lines of ---');
  const entries = parts.header!.split(/\r?\n/).map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, Math.max(colon, 0)).trim(), line.slice(colon + 1).trim()];
  });
  const header = headerSchema.safeParse(Object.fromEntries(entries));
  if (!header.success) throw badPrompt(name, describeIssue(firstIssue(header.error)));
  const text = parts.text!.replace(/^[\r\n]+|[\r\n]+$/g, '');
  if (text === '') throw badPrompt(name, 'it has no text');
  return { name, ...header.data, text };
}

function badPrompt(name: string, problem: string): TokenworkError {
  return new TokenworkError(
    'bad-prompt',
    `The prompt "${name}" cannot be read: ${problem}.`,
    'A prompt is a header of kind and language between two lines of ---, and its text below.',
  );
}
