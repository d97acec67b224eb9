import { inspect } from 'node:util';
import { z } from 'zod';
import { didYouMean } from '../core/did-you-mean.js';
import { TokenworkError } from '../core/errors.js';
import { firstIssue, formatPath, type JsonPath } from '../core/json/schema-issue.js';
import { type benchOptions as BenchOptionRecords, benchOptions } from '../workload/options/bench-options.js';
import type { OptionRecord } from '../workload/options/option-record.js';
import type { BenchOptions } from './options.js';

const { model, deadline, limit, trace, prompts, answerTokens, ...shared } = benchOptions;
const text = z.string().min(1);

/** Limits of the command line, which keep a run from taking the machine down, hold here too. */
function limited({ value, least, most }: OptionRecord): z.ZodType {
  return value.refine(
    (given) => typeof given !== 'number' || (given >= (least ?? given) && given <= (most ?? given)),
    {
      message: `expected ${least ?? 1} to ${most ?? 'any'}`,
    },
  );
}

type SameName = keyof typeof BenchOptionRecords & keyof BenchOptions;
const asOnCommandLine = Object.fromEntries(
  Object.entries(shared)
    .filter(([name]) => !['json', 'quiet', 'full', 'failOn'].includes(name))
    .map(([name, record]) => [name, limited(record)]),
) as Record<SameName, z.ZodType>;

/** Schemas of the options as a library takes them; a suite's own says what is wrong inside of it. */
const schemas: Record<keyof BenchOptions, z.ZodType> = {
  ...asOnCommandLine,
  suite: z.union([
    text,
    z.looseObject({
      name: z
        .string()
        .regex(/^[^/\\]+$/, 'expected a name without slashes')
        .optional(),
    }),
  ]),
  trace: z.strictObject({ path: trace.value, limit: limit.value.optional() }),
  prompts: z.strictObject({
    path: prompts.value,
    limit: limit.value.optional(),
    answerTokens: answerTokens.value.optional(),
  }),
  models: model.value.readonly(),
  deadlineMs: deadline.value,
  ceilings: z.boolean(),
  sensors: z.union([benchOptions.sensors.value, z.array(z.looseObject({ sensor: text }))]),
  calibrateForNs: z.number().nonnegative(),
  cacheDirectory: text,
  command: text,
  tool: z.strictObject({ version: text, commit: text.nullable() }),
  signal: z.instanceof(AbortSignal),
  onProgress: z.function(),
  confirm: z.function(),
};
const names = Object.keys(schemas);
const optional = z.looseObject(
  Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, schema.optional()])),
);

/** Names of the command line whose option here is called otherwise. */
const otherwiseNamed: Record<string, string> = {
  model: 'models',
  deadline: 'deadlineMs',
  limit: 'trace: { path, limit } or prompts: { path, limit }',
  answerTokens: 'prompts: { path, answerTokens }',
  quiet: 'onProgress, without which nothing is told',
  json: 'the result that is returned',
};

/** Refuses options that a run cannot take, before anything runs. Throws TokenworkError `bad-option`. */
export function checkOptions(options: BenchOptions): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw bad(
      `Options of a run are an object, and ${shown(options)} is none.`,
      "Write { suite: 'quick', … }.",
    );
  }
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(schemas, name)) continue;
    const other = Object.hasOwn(otherwiseNamed, name) ? otherwiseNamed[name] : undefined;
    const meant = other === undefined ? didYouMean(name, names) : ` Its like here is ${other}.`;
    throw bad(`There is no option "${name}" of a run.`, `${meant} Options: ${names.join(', ')}.`.trim());
  }
  const { error } = optional.safeParse(options);
  if (error) {
    const { path, message } = firstIssue(error);
    const given = valueAt(options, path);
    const [where, hint] = [formatPath(path), hintFor(path, given)];
    if (mayHoldSecrets.has(String(path[0]))) throw bad(`${where}: ${message}.`, hint);
    throw hint.startsWith(choose)
      ? bad(`${where} cannot be ${shown(given)}.`, hint)
      : bad(`${where} is ${shown(given)}: ${message}.`, hint);
  }
  const [one, other] = (['suite', 'trace', 'prompts'] as const).filter((name) => options[name] !== undefined);
  if (other !== undefined)
    throw bad(`${one} and ${other} cannot be given together.`, 'Leave out one of them.');
  refuseOtherKind(options);
}

/** Refuses options of runs on servers where none is named, and those of runs in this process where one is. */
function refuseOtherKind(options: BenchOptions): void {
  const isServed = options.endpoint !== undefined;
  for (const [name, record] of Object.entries<OptionRecord>(benchOptions)) {
    const value = options[name as keyof BenchOptions];
    if (value === undefined || value === 'auto' || value === false || record.only === undefined) continue;
    if (isServed === (record.only === 'server') || options.resume !== undefined) continue;
    const [flag] = record.flag.split(' ');
    throw isServed
      ? bad(`${flag} is for models in this process, and --endpoint names a server.`, 'Leave out one of them.')
      : bad(`${flag} is for servers, and none is named.`, 'Name one with --endpoint URL.');
  }
  if (isServed && options.dtype !== undefined && options.shape === undefined)
    throw bad(
      '--dtype is of the model that --shape names, and none is named.',
      'Name it with --shape MODEL.',
    );
}

/** Addresses and headers hold passwords and keys, which are not repeated where others read them. */
const mayHoldSecrets: ReadonlySet<string> = new Set(['endpoint', 'metricsUrl', 'header']);

const choose = 'Use one of ';

function hintFor([name, ...inside]: JsonPath, given: unknown): string {
  const value =
    inside.length === 0 ? (benchOptions as Record<string, OptionRecord>)[String(name)]?.value : undefined;
  const expected = (benchOptions as Record<string, OptionRecord>)[String(name)]?.expected;
  if (value instanceof z.ZodEnum) {
    const choices = value.options.map(String);
    return `${choose}${choices.join(', ')}.${typeof given === 'string' ? didYouMean(given, choices) : ''}`;
  }
  if (expected !== undefined) return `Use ${expected}.`;
  return 'Leave it out for its default; `BenchOptions` says what each option takes.';
}

const valueAt = (root: unknown, path: JsonPath): unknown =>
  path.reduce<unknown>((at, key) => (at as Record<string | number, unknown> | undefined)?.[key], root);

/** A value as one would write it in JavaScript, in a few words. */
const shown = (value: unknown): string =>
  inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 80, maxArrayLength: 3 });

const bad = (message: string, hint: string): TokenworkError =>
  new TokenworkError('bad-option', message, hint);
