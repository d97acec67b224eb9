import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { devices, engineNames } from '../../engines/engine.js';
import { dtypes } from '../../models/dtype.js';
import { arrivalOptions } from '../arrivals/options.js';
import { usualAnswerTokens } from '../named-prompts.js';
import type { OptionRecord } from './option-record.js';
import { serverOptions } from './server-options.js';

const text = z.string().min(1);
const count = z.int().positive();

/** Every option of `tokenwork bench`, by the name that commander gives its value. */
export const benchOptions = {
  suite: {
    flag: '--suite <name>',
    help: 'a suite by name (listed below), or the path of a suite file (default: quick, or plain with --model)',
    value: text,
    repeated: 'suite',
    group: 'Workload',
  },
  trace: {
    flag: '--trace <file>',
    help: 'measure a recorded trace instead: CSV of Azure or BurstGPT, or JSONL of Mooncake, AIPerf or Bailian',
    value: text,
    repeated: 'trace',
    group: 'Workload',
  },
  prompts: {
    flag: '--prompts <path>',
    help: 'measure prompts of yours instead: JSONL (texts, {"prompt"}, {"messages"}, with "max_tokens"), an OpenAI batch, ShareGPT, AIPerf, or a folder of .txt, .md and .json',
    value: text,
    repeated: 'prompts',
    group: 'Workload',
  },
  answerTokens: {
    flag: '--answer-tokens <n>',
    help: `length of the answers to --prompts that name none (default: ${usualAnswerTokens}); all answers are exactly as long as asked for`,
    value: count,
    repeated: 'answer-tokens',
    group: 'Workload',
  },
  limit: {
    flag: '--limit <n>',
    help: 'only the first n requests of the trace, or of the prompts',
    value: count,
    repeated: 'limit',
    group: 'Workload',
  },
  model: {
    flag: '--model <model>',
    help: 'a recipe (see `tokenwork models list`), a model folder, a GGUF file, a config.json, ollama:NAME, hf:OWNER/NAME or hf:OWNER/NAME:FILE.gguf; with --endpoint, the name of a served model; repeatable',
    value: z.array(text),
    repeated: 'model',
    group: 'Models in this process',
  },
  pipeline: {
    flag: '--pipeline <pipeline>',
    help: 'what every request goes through, in place of what the suite says: a pipeline by name (listed below), or the path of a pipeline file',
    value: text,
    repeated: 'pipeline',
    only: 'here',
    group: 'Workload',
  },
  device: {
    flag: '--device <device>',
    help: 'auto (a GPU that works, else the CPU), cpu, cuda, vulkan, metal or webgpu',
    value: z.enum(['auto', ...devices]),
    default: 'auto',
    repeated: 'device',
    only: 'here',
    group: 'Models in this process',
  },
  engine: {
    flag: '--engine <engine>',
    help: 'of recipes, which run in either: auto (the fastest on the device), onnx or llama (llama.cpp, as GGUF); other models run in the engine of their format',
    value: z.enum(['auto', ...engineNames]),
    repeated: 'engine',
    only: 'here',
    group: 'Models in this process',
  },
  allowParityMismatch: {
    flag: '--allow-parity-mismatch',
    help: 'measure on the GPU although its logits are not the CPU’s, with a warning',
    value: z.boolean(),
    only: 'here',
    group: 'Models in this process',
  },
  dtype: {
    flag: '--dtype <dtype>',
    help: dtypes.join(', '),
    value: z.enum(dtypes),
    repeated: 'dtype',
    group: 'Models in this process',
  },
  backend: {
    flag: '--backend <backend>',
    help: 'auto, native (ONNX Runtime’s C API) or node (its Node binding)',
    value: z.enum(['auto', 'native', 'node']),
    repeated: 'backend',
    only: 'here',
    group: 'Models in this process',
  },
  concurrency: {
    flag: '--concurrency <n>',
    help: 'requests in flight',
    value: count,
    // Beyond this a run measures nothing but the scheduler, and can take the machine down with it.
    most: 256,
    repeated: 'concurrency',
    group: 'Measuring',
  },
  threads: {
    flag: '--threads <n>',
    help: 'intra-op threads per request (default: 1)',
    value: count,
    most: 8 * availableParallelism(),
    repeated: 'threads',
    only: 'here',
    group: 'Models in this process',
  },
  repetitions: {
    flag: '--repetitions <n>',
    help: 'times each cell is measured',
    value: count,
    repeated: 'repetitions',
    group: 'Workload',
  },
  budget: {
    flag: '--budget <seconds>',
    help: 'what the run may take, as the machine’s ceilings foretell it, in place of what the suite says; cells are left out from its end until the rest fits (none: all cells)',
    value: z.union([z.literal('none'), z.coerce.number().positive()]),
    expected: 'a number of seconds above 0, or none',
    repeated: 'budget',
    only: 'here',
    group: 'Workload',
  },
  warmup: {
    flag: '--warmup <n>',
    help: 'requests per worker and model that are run first and discarded',
    value: z.int().nonnegative(),
    repeated: 'warmup',
    group: 'Measuring',
  },
  seed: {
    flag: '--seed <n>',
    help: 'of the order of the requests and of their prompts',
    value: z.int(),
    least: 0,
    repeated: 'seed',
    group: 'Workload',
  },
  deadline: {
    flag: '--deadline <seconds>',
    help: 'stop a request that takes longer, and count it as failed',
    value: z.number().positive(),
    expected: 'a number of seconds above 0',
    repeated: 'deadlineMs',
    group: 'Measuring',
  },
  sensors: {
    flag: '--sensors <which>',
    help: 'what is sampled beside the requests: auto (all there is), none, or recorded:FILE (a recorded session in place of this machine)',
    value: z.union([z.enum(['auto', 'none']), z.templateLiteral(['recorded:', text])]),
    expected: 'auto, none, or recorded:FILE',
    repeated: 'sensors',
    group: 'Measuring',
  },
  recordSensors: {
    flag: '--record-sensors <file>',
    help: 'write every sample of the sensors to a new file, to be played with --sensors recorded:FILE anywhere',
    value: text,
    group: 'Measuring',
  },
  energy: {
    flag: '--energy',
    help: 'repeat each request until a window is long enough for its energy to be read; rows carry the mean',
    value: z.boolean(),
    repeated: 'energy',
    only: 'here',
    group: 'Measuring',
  },
  validateAttribution: {
    flag: '--validate-attribution',
    help: 'run the same requests alone as well, and say how far sharing counters among concurrent ones is off',
    value: z.boolean(),
    repeated: 'validate-attribution',
    group: 'Measuring',
  },
  out: {
    flag: '--out <file>',
    help: 'where the result goes (- for stdout; default: ./tokenwork-SUITE-TIME.json)',
    value: text,
    group: 'Output',
  },
  force: {
    flag: '--force',
    help: 'replace the file of --out where there is one',
    value: z.boolean(),
    group: 'Output',
  },
  yes: {
    flag: '--yes',
    help: 'build models of more than 2 GiB, and send requests to a public server, without asking',
    value: z.boolean(),
    group: 'Output',
  },
  failOn: {
    flag: '--fail-on <budget>',
    help: 'exit with 1 where the result surely breaks a budget, such as "cpuTime<=20ms/token", "ttft<=300ms" or "misbilled<=10%"; repeatable',
    value: z.array(text),
    group: 'Output',
  },
  resume: {
    flag: '--resume <file>',
    help: 'go on with a run that was cut short: its journal or its incomplete result',
    value: text,
    group: 'Output',
  },
  ...serverOptions,
  ...arrivalOptions,
  json: {
    flag: '--json',
    help: 'print the result to stdout, and nothing else there; its file is written as well',
    value: z.boolean(),
    group: 'Output',
  },
  full: {
    flag: '--full',
    help: 'print every table and finding, not the answer alone',
    value: z.boolean(),
    group: 'Output',
  },
  quiet: { flag: '--quiet', help: 'no progress', value: z.boolean(), group: 'Output' },
} as const satisfies Record<string, OptionRecord>;
type BenchOptionRecords = typeof benchOptions;

/** The options that were given, each by its name. */
export type GivenOptions = {
  [Name in keyof BenchOptionRecords]?: z.output<BenchOptionRecords[Name]['value']>;
};

/** The options of the command line that decide what a run is, as its journal keeps them. */
export type RunOptions = Pick<GivenOptions, RepeatedOption | 'allowParityMismatch'>;

export const runOptionsSchema = z.strictObject(
  Object.fromEntries(
    Object.entries(benchOptions)
      .filter(([name, option]) => 'repeated' in option || name === 'allowParityMismatch')
      .map(([name, { value }]) => [name, (value as z.ZodType).optional()]),
  ),
) as unknown as z.ZodType<RunOptions>;

/** The options that going on with a run must repeat, or leave out. */
export type RepeatedOption = {
  [Name in keyof BenchOptionRecords]: BenchOptionRecords[Name] extends { repeated: string } ? Name : never;
}[keyof BenchOptionRecords];
