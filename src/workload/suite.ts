import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { closest } from 'fastest-levenshtein';
import { z } from 'zod';
import { messageOf, TokenworkError } from '../core/errors.js';
import { lineOfPath, positionOfSyntaxError } from '../core/json-position.js';
import { describeIssue, firstIssue, type JsonPath } from '../core/schema-issue.js';
import { dtypes } from '../models/dtype.js';
import { loadPrompts, type Prompt } from './prompts.js';

const counts = z.array(z.int().positive()).min(1);
const names = z.array(z.string().min(1)).min(1);

/** One factorial of the design: every prompt with every completion length and every batch size. */
const blockSchema = z
  .strictObject({
    /** Lengths of synthetic prompts; or, in its place, `prompts`: names of texts in bench/prompts/. */
    promptTokens: counts.optional(),
    prompts: names.optional(),
    completionTokens: counts,
    batch: counts.default([1]),
    /** Only these of the suite's models; all of them where absent. */
    models: names.optional(),
  })
  .refine((block) => (block.promptTokens === undefined) !== (block.prompts === undefined), {
    message: 'expected either promptTokens or prompts',
  });
export type Block = z.infer<typeof blockSchema>;

const samplingSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('greedy') }),
  z.strictObject({
    kind: z.literal('seeded'),
    temperature: z.number().positive(),
    topK: z.int().positive().optional(),
  }),
]);
export type SuiteSampling = z.infer<typeof samplingSchema>;

const suiteSchema = z
  .strictObject({
    description: z.string().min(1),
    models: z.array(z.strictObject({ model: z.string().min(1), dtype: z.enum(dtypes).optional() })).min(1),
    design: z.array(blockSchema).min(1),
    repetitions: z.int().positive(),
    concurrency: z.int().positive().default(1),
    seed: z.int().default(1),
    stop: z.enum(['forced', 'eos']).default('forced'),
    sampling: samplingSchema.default({ kind: 'greedy' }),
  })
  .superRefine(({ models, design }, context) => {
    for (const [index, block] of design.entries()) {
      for (const [position, name] of (block.models ?? []).entries()) {
        if (models.some(({ model }) => model === name)) continue;
        const path = ['design', index, 'models', position];
        context.addIssue({ code: 'custom', path, message: `"${name}" is none of the suite's models` });
      }
    }
  });

/** A workload as data: a file of bench/suites/, checked, with the prompts it names. */
export interface Suite extends z.infer<typeof suiteSchema> {
  name: string;
  /** The texts that `design` names. */
  prompts: ReadonlyMap<string, Prompt>;
}

const suiteDirectory = fileURLToPath(new URL('../../bench/suites/', import.meta.url));

/** Names of the shipped suites. */
export async function listSuites(): Promise<string[]> {
  const files = await readdir(suiteDirectory);
  return files.filter((file) => file.endsWith('.json')).map((file) => basename(file, '.json'));
}

/**
 * A shipped suite by name, or one from a file where the argument looks like a path (`.json` or a slash).
 * Throws TokenworkError `unknown-suite`, `unreadable-suite` or `bad-suite`, the latter naming file, line
 * and JSON path.
 */
export async function loadSuite(nameOrPath: string): Promise<Suite> {
  const isPath = /[\\/]|\.json$/i.test(nameOrPath);
  if (!isPath) {
    const known = await listSuites();
    if (!known.includes(nameOrPath)) {
      throw new TokenworkError(
        'unknown-suite',
        `No suite is called "${nameOrPath}".`,
        `Did you mean "${closest(nameOrPath, known)}"? There are: ${known.join(', ')}; or pass the path of a .json file.`,
      );
    }
  }
  const path = isPath ? nameOrPath : join(suiteDirectory, `${nameOrPath}.json`);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new TokenworkError(
      'unreadable-suite',
      `The suite ${path} cannot be read: ${messageOf(cause)}.`,
      `Check the path, or name a shipped suite: ${(await listSuites()).join(', ')}.`,
      { cause },
    );
  }
  return parseSuite(text, path, await loadPrompts());
}

/** A suite from its JSON; `path` is named in errors, and its base name is the suite's name. */
export function parseSuite(text: string, path: string, available: ReadonlyMap<string, Prompt>): Suite {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw badSuite(
      `${path}:${positionOfSyntaxError(text).line}`,
      `it is no JSON: ${messageOf(cause)}`,
      cause,
    );
  }
  const parsed = suiteSchema.safeParse(json);
  if (!parsed.success) {
    const issue = firstIssue(parsed.error);
    throw badSuite(`${path}:${lineOfPath(text, issue.path)}`, describeIssue(issue), parsed.error);
  }
  const prompts = new Map<string, Prompt>();
  for (const [index, block] of parsed.data.design.entries()) {
    for (const [position, name] of (block.prompts ?? []).entries()) {
      const prompt = available.get(name);
      if (prompt === undefined) {
        const issuePath: JsonPath = ['design', index, 'prompts', position];
        const message = `no prompt is called "${name}", perhaps "${closest(name, [...available.keys()])}" is meant`;
        throw badSuite(
          `${path}:${lineOfPath(text, issuePath)}`,
          describeIssue({ path: issuePath, message, others: 0 }),
        );
      }
      prompts.set(name, prompt);
    }
  }
  return { name: basename(path).replace(/\.json$/i, ''), ...parsed.data, prompts };
}

function badSuite(where: string, problem: string, cause?: unknown): TokenworkError {
  return new TokenworkError(
    'bad-suite',
    `${where}: ${problem}.`,
    'The suites in bench/suites/ show every field; src/workload/suite.ts says what each means.',
    { cause },
  );
}
