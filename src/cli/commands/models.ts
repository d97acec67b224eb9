import { Command } from 'commander';
import { TokenworkError } from '../../core/errors.js';
import { printableJson } from '../../core/text.js';
import { byteUnits } from '../../core/units.js';
import type { BuildWatch } from '../../models/build/build-folder.js';
import { buildModel, builtModelDirectory } from '../../models/build/build-model.js';
import { buildEncoder, builtEncoderDirectory } from '../../models/build/encoder/build.js';
import { buildGguf, builtGgufDirectory } from '../../models/build/gguf/build.js';
import { defaultGraphVariant, type GraphVariant, graphVariants } from '../../models/build/graph-variant.js';
import { cacheDirectory } from '../../models/cache-directory.js';
import { type Dtype, type ModelFormat, modelFormats } from '../../models/dtype.js';
import { encoderParameters, listEncoderRecipes } from '../../models/encoder/recipe.js';
import { listOllama, type OllamaModel } from '../../models/ollama/store.js';
import { listRecipes, parameterCount } from '../../models/recipe.js';
import { countedOnly, defaultBuildDtype, locateModel } from '../../models/resolve.js';
import { renderTable } from '../../report/terminal/table.js';
import { formatQuantity } from '../../report/words/format.js';
import { builtWeightBytes } from '../../run/gpu/memory.js';
import { agreeToBuild } from '../../run/local/large-builds.js';
import { benchOptions } from '../../workload/options/bench-options.js';
import { oneOf, optionOf, wholeNumber } from '../arguments.js';
import { askerOn } from '../ask.js';
import { onInterrupt } from '../interrupt.js';
import { progressLine } from '../progress.js';
import { printData, terminalOf } from '../terminal.js';
import { cacheCommands } from './models-cache.js';

interface BuildFlags {
  dtype: Dtype;
  format: ModelFormat;
  graphVariant?: GraphVariant;
  seed: number;
  labels?: number;
  yes?: boolean;
}

export function modelsCommand(): Command {
  const command = new Command('models').description(
    'The shapes tokenwork can build, with seeded random weights: cost depends on the shape, not on the weights.',
  );
  command
    .command('list')
    .description('List the recipes, and the models that Ollama has pulled here')
    .addOption(optionOf(benchOptions.json, { help: 'machine output' }))
    .action(list);
  withBuildOptions(
    command
      .command('build')
      .description('Build a model and print the folder it is in; once built it is kept')
      .addOption(optionOf(benchOptions.yes, { help: 'build models of more than 2 GiB without asking' })),
  ).action(build);
  withBuildOptions(
    command.command('path').description('Print the folder of a model that has been built'),
  ).action(path);
  for (const one of cacheCommands()) command.addCommand(one);
  return command;
}

function withBuildOptions(command: Command): Command {
  return command
    .argument('<model>', 'a recipe, or a Hugging Face config.json')
    .addOption(optionOf(benchOptions.dtype, { default: defaultBuildDtype }))
    .option(
      '--graph-variant <variant>',
      'contrib (ONNX Runtime’s own operators), standard (opset 23) or primitive (attention in matrix products)',
      oneOf(graphVariants),
    )
    .option(
      '--format <format>',
      'onnx, or gguf for llama.cpp (fp32 as F32, fp16 as F16, int8 as Q8_0, q4 as Q4_0)',
      oneOf(modelFormats),
      'onnx',
    )
    .option('--labels <n>', 'of an encoder: classify into so many, instead of embedding', wholeNumber(1))
    .option('--seed <n>', 'of the weights', wholeNumber(0), 1);
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const [decoders, encoders] = [await listRecipes(), await listEncoderRecipes()];
  const pulled = await listOllama();
  const rows = [
    ...decoders.map((recipe) => ({ ...recipe, parameters: parameterCount(recipe) })),
    ...encoders.map((recipe) => ({ ...recipe, parameters: encoderParameters(recipe, embedding) })),
  ];
  if (json) {
    const ollama = pulled.map(({ name, path, bytes }) => ({ id: `ollama:${name}`, name, path, bytes }));
    await printData(`${printableJson([...rows, ...ollama], 2)}\n`);
    return;
  }
  type Row = (typeof rows)[number];
  const column = (header: [string, string], priority: number, value: (recipe: Row) => string) => ({
    header,
    text: rows.map(value),
    align: priority === 9 ? ('left' as const) : ('right' as const),
    priority,
  });
  const heads = (row: Row) => ('kvHeads' in row ? `${row.heads}/${row.kvHeads}` : String(row.heads));
  const table = renderTable(
    [
      column(['recipe', ''], 9, ({ id }) => id),
      {
        ...column(['kind', ''], 6, (row) => ('kvHeads' in row ? 'decoder' : 'encoder')),
        align: 'left' as const,
      },
      column(['parameters', ''], 8, ({ parameters }) => formatQuantity(parameters, parameterUnits)),
      column(['layers', ''], 5, ({ layers }) => String(layers)),
      column(['hidden', ''], 4, ({ hiddenSize }) => String(hiddenSize)),
      column(['heads', 'q/kv'], 3, heads),
      column(['experts', 'used/all'], 6, (row) =>
        'mixture' in row && row.mixture ? `${row.mixture.expertsPerToken}/${row.mixture.experts}` : '–',
      ),
      column(['context', 'tokens'], 7, ({ contextLength }) => String(contextLength)),
      { ...column(['source', ''], 2, ({ source }) => source.replace(hubFile, '$1')), align: 'left' as const },
    ],
    terminalOf(process.stdout).width,
    (text) => text,
  );
  await printData(`${table}\n${ollamaTable(pulled)}`);
}

/** The models of Ollama's; nothing where there are none. */
function ollamaTable(models: readonly OllamaModel[]): string {
  if (models.length === 0) return '';
  const table = renderTable(
    [
      {
        ...{ header: ['pulled by Ollama', ''], align: 'left', priority: 9 },
        text: models.map(({ name }) => `ollama:${name}`),
      },
      {
        ...{ header: ['weights', ''], align: 'right', priority: 8 },
        text: models.map(({ bytes }) => formatQuantity(bytes, byteUnits)),
      },
    ],
    terminalOf(process.stdout).width,
    (text) => text,
  );
  return `\n${table}\n`;
}

async function build(spec: string, flags: BuildFlags): Promise<void> {
  const buildable = await buildableOf(spec, flags);
  const line = progressLine(process.stderr, false);
  const interrupt = onInterrupt(() => {});
  try {
    const { bytes } = buildable;
    if (bytes !== null && (await buildable.built()) === null) {
      const [names, { signal }] = [`${spec} (${flags.dtype})`, interrupt];
      await agreeToBuild(
        { names, bytes, directory: cacheDirectory() },
        { yes: flags.yes, confirm: askerOn(line, signal) },
      );
    }
    const directory = await buildable.build({
      signal: interrupt.signal,
      onProgress: ({ message, fraction }) => line.show(`${message} ${Math.floor(fraction * 100)}%`),
    });
    line.clear();
    await printData(`${directory}\n`);
  } finally {
    line.clear();
    interrupt.dispose();
  }
}

async function path(spec: string, flags: BuildFlags): Promise<void> {
  const directory = await (await buildableOf(spec, flags)).built();
  if (directory === null) {
    const { dtype, format, labels } = flags;
    throw new TokenworkError(
      'not-built',
      `${spec} (${dtype}) has not been built yet.`,
      `Run: tokenwork models build ${spec} --dtype ${dtype}${format === 'gguf' ? ' --format gguf' : ''}${labels === undefined ? '' : ` --labels ${labels}`}`,
    );
  }
  await printData(`${directory}\n`);
}

/** The model that a spec names, as `flags` want it built; `bytes` of its weights, null of an encoder, which is small. */
async function buildableOf(spec: string, flags: BuildFlags) {
  const { dtype, seed, labels } = flags;
  const located = await locateModel(spec);
  if (located.kind === 'counted') throw countedOnly(located.id);
  if (flags.format === 'gguf' && flags.graphVariant !== undefined)
    throw misused('--graph-variant', 'a GGUF file holds no graph');
  if (located.kind === 'encoder') {
    if (flags.format === 'gguf')
      throw misused('--format gguf', `${spec} is an encoder, which is written in ONNX alone`);
    if (flags.graphVariant !== undefined)
      throw misused('--graph-variant', `${spec} is an encoder, which has one graph variant only`);
    const head = labels === undefined ? embedding : ({ kind: 'classification', labels } as const);
    const target = { dtype, seed, head };
    return {
      bytes: null,
      build: (watch: BuildWatch) => buildEncoder(located.recipe, { ...target, ...watch }),
      built: () => builtEncoderDirectory(located.recipe, target),
    };
  }
  if (labels !== undefined) throw misused('--labels', `${spec} is no recipe of an encoder`);
  if (located.kind === 'recipe' && flags.format === 'gguf') {
    return {
      bytes: builtWeightBytes(located.recipe, dtype),
      build: (watch: BuildWatch) => buildGguf(located.recipe, { dtype, seed, ...watch }),
      built: () => builtGgufDirectory(located.recipe, { dtype, seed }),
    };
  }
  if (located.kind === 'recipe') {
    const target = { dtype, seed, graphVariant: flags.graphVariant ?? defaultGraphVariant(located.recipe) };
    return {
      bytes: builtWeightBytes(located.recipe, dtype),
      build: (watch: BuildWatch) => buildModel(located.recipe, { ...target, ...watch }),
      built: () => builtModelDirectory(located.recipe, target),
    };
  }
  throw new TokenworkError(
    'not-a-recipe',
    `${spec} has weights of its own, so there is nothing to build.`,
    'Use it as it is: tokenwork bench --model …; `tokenwork models list` shows what can be built.',
  );
}

function misused(option: string, why: string): TokenworkError {
  return new TokenworkError('bad-option', `${option} does not apply: ${why}.`, `Leave ${option} out.`);
}

const embedding = { kind: 'embedding' } as const;

/** A source on the hub is as well known by its repository. */
const hubFile = /^https:\/\/huggingface\.co\/([^/]+\/[^/]+)\/.*$/;

const parameterUnits = [
  { name: '', per: 1 },
  { name: 'M', per: 1e6 },
  { name: 'B', per: 1e9 },
];
