import { existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { messageOf, TokenworkError } from '../core/errors.js';
import { log } from '../core/log.js';
import { namedRecord } from '../core/named-record.js';
import { questionSchema } from '../core/question.js';
import { plainText } from '../core/text.js';
import { verdictRepetitions } from '../core/verdict.js';
import { blockSchema } from './block.js';
import { readDocument } from './document.js';
import { benchOptions } from './options/bench-options.js';
import { listPipelines, loadPipeline, type Pipeline } from './pipelines/pipeline.js';
import { roleModelSchema, roleModelsOf } from './pipelines/roles.js';
import { loadPrompts, type Prompt } from './prompts.js';
import { describeShipped, listShipped, readNamedFile, type Shelf, type ShippedFile } from './shipped-file.js';
import { checkBlock, namedIn, nearest } from './suite-rules.js';

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
    /** Too large for a CPU, where it runs only as `--device cpu` asks for that. */
    needsGpu: z.boolean().optional(),
    models: z
      .array(z.strictObject({ model: z.string().min(1), dtype: benchOptions.dtype.value.optional() }))
      .min(1),
    design: z.array(blockSchema).min(1),
    /** As many as a verdict needs, where absent. */
    repetitions: benchOptions.repetitions.value.default(verdictRepetitions),
    /**
     * Seconds that the run may take, but for building its models, as the machine's ceilings foretell it: cells are
     * left out from the end of the design until the rest fits.
     */
    budgetSeconds: z.number().positive().optional(),
    concurrency: benchOptions.concurrency.value.default(1),
    seed: benchOptions.seed.value.default(1),
    stop: z.enum(['forced', 'eos']).default('forced'),
    sampling: samplingSchema.default({ kind: 'greedy' }),
    /** Other models than the pipelines name, by role. */
    roles: namedRecord(roleModelSchema).default({}),
    /** The questions that the suite is to answer. */
    questions: z.array(questionSchema).default([]),
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

/** A suite as it is written down: the contents of its file, and where it has none its `name`. */
export type SuiteDocument = z.input<typeof suiteSchema> & { name?: string };

/** A workload as data: a file of bench/suites/, checked, with the prompts it names. */
export interface Suite extends Omit<z.infer<typeof suiteSchema>, 'roles'> {
  name: string;
  /** The texts that `design` names. */
  prompts: ReadonlyMap<string, Prompt>;
  /** The pipelines that `design` names, with the models that `roles` puts in their place. */
  pipelines: ReadonlyMap<string, Pipeline>;
}

const shelf: Shelf = {
  kind: 'suite',
  directory: fileURLToPath(new URL('../../bench/suites/', import.meta.url)),
};

/** Names of the shipped suites. */
export const listSuites = (): Promise<string[]> => listShipped(shelf);

/** The shipped suites with their descriptions. */
export const describeSuites = (): ShippedFile[] => describeShipped(shelf);

/**
 * A shipped suite by name, or one from a file where the argument looks like a path (`.json` or a slash).
 * Throws TokenworkError `unknown-suite`, `unreadable-suite` or `bad-suite`, the latter naming file, line
 * and JSON path.
 */
export async function loadSuite(nameOrPath: string): Promise<Suite> {
  const { path, text } = await readNamedFile(nameOrPath, shelf);
  return parseSuite(text, path, await loadPrompts(), await loadPipelines(text, path));
}

/**
 * A suite by name or path, from its document, or itself where it is one. Throws as `loadSuite` does; of a document,
 * paths of pipelines are from the working directory.
 */
export async function suiteOf(suite: string | SuiteDocument | Suite): Promise<Suite> {
  if (typeof suite === 'string') return loadSuite(suite);
  if (isSuite(suite)) return suite;
  const { name: _name, ...document } = suite;
  const name = suiteName(suite);
  const text = textOf(document, name);
  return parseSuite(text, `suite ${name}`, await loadPrompts(), await loadPipelines(text, 'suite'), name);
}

/** The name of a suite that comes from no file. */
export const suiteName = ({ name = 'custom' }: { name?: string }): string => plainText(name);

/** Throws TokenworkError `bad-suite` for what no file could hold. */
function textOf(document: object, name: string): string {
  try {
    return JSON.stringify(document);
  } catch (cause) {
    throw new TokenworkError(
      'bad-suite',
      `suite ${name}: it is no plain object: ${messageOf(cause).split('\n')[0]}.`,
      'Give what would stand in a suite file: objects, arrays, texts, numbers.',
      { cause },
    );
  }
}

const isSuite = (suite: SuiteDocument | Suite): suite is Suite =>
  'prompts' in suite && suite.prompts instanceof Map;

/** The shipped pipelines by name, and those that the suite names by path. */
async function loadPipelines(text: string, suitePath: string): Promise<Map<string, Pipeline>> {
  const shipped = await listPipelines();
  const paths = pipelinesNamed(text).filter((name) => existsSync(resolve(dirname(suitePath), name)));
  const loaded = [
    ...shipped.map(async (name) => [name, await loadPipeline(name)] as const),
    ...paths.map(async (path) => [path, await loadPipeline(resolve(dirname(suitePath), path))] as const),
  ];
  return new Map(await Promise.all(loaded));
}

const pipelinesOnly = z.object({ design: z.array(z.object({ pipelines: z.array(z.string()).default([]) })) });

/** The pipelines that a suite's text names, read before the suite is checked. */
function pipelinesNamed(text: string): string[] {
  try {
    return pipelinesOnly.parse(JSON.parse(text)).design.flatMap(({ pipelines }) => pipelines);
  } catch (error) {
    log('pipelines of a suite: %s', error);
    return []; // `parseSuite` says what is wrong.
  }
}

/**
 * A suite from its JSON; `path` is named in errors, and its base name is the suite's name, unless it has one of its own
 * and comes from no file.
 */
export function parseSuite(
  text: string,
  path: string,
  prompts: ReadonlyMap<string, Prompt>,
  pipelines: ReadonlyMap<string, Pipeline> = new Map(),
  name?: string,
): Suite {
  const document = readDocument(text, {
    path,
    hasLines: name === undefined,
    code: 'bad-suite',
    hint: 'The suites in bench/suites/ show every field; src/workload/suite.ts says what each means.',
  });
  const { roles, ...suite } = document.parse(suiteSchema);
  const named = namedIn(suite.design, { prompts, pipelines }, document);
  for (const role of Object.keys(roles)) {
    const known = [...named.pipelines.values()].flatMap(({ models }) => [...models.keys()]);
    if (known.includes(role)) continue;
    throw document.error(
      ['roles', role],
      `no pipeline of the suite has the role "${role}"${nearest(role, known)}`,
    );
  }
  const replaced = roleModelsOf(roles);
  const replacedPipelines = [...named.pipelines].map(([name, pipeline]) => {
    const models = [...pipeline.models].map(([role, model]) => [role, replaced.get(role) ?? model] as const);
    return [name, { ...pipeline, models: new Map(models) }] as const;
  });
  for (const [index, block] of suite.design.entries()) checkBlock(block, index, named.pipelines, document);
  return {
    name: name ?? plainText(basename(path).replace(/\.json$/i, '')),
    ...suite,
    prompts: named.prompts,
    pipelines: new Map(replacedPipelines),
  };
}
