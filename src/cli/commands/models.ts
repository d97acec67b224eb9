import { Command } from 'commander';
import { TokenworkError } from '../../core/errors.js';
import { buildModel, builtModelDirectory } from '../../models/build/build-model.js';
import { defaultStyle, type Style, styles } from '../../models/build/style.js';
import { type Dtype, dtypes } from '../../models/dtype.js';
import { listRecipes, parameterCount, type Recipe } from '../../models/recipe.js';
import { defaultBuildDtype, locateModel } from '../../models/resolve.js';
import { formatQuantity } from '../../report/format.js';
import { renderTable } from '../../report/terminal-table.js';
import { oneOf, wholeNumber } from '../arguments.js';
import { onInterrupt } from '../interrupt.js';
import { progressLine } from '../progress.js';
import { printData, terminalOf } from '../terminal.js';

interface BuildFlags {
  dtype: Dtype;
  style?: Style;
  seed: number;
}

export function modelsCommand(): Command {
  const command = new Command('models').description(
    'The shapes tokenwork can build, with seeded random weights: cost depends on the shape, not on the weights.',
  );
  command.command('list').description('List the recipes').option('--json', 'machine output').action(list);
  withBuildOptions(
    command
      .command('build')
      .description('Build a model and print the folder it is in; once built it is kept'),
  ).action(build);
  withBuildOptions(
    command.command('path').description('Print the folder of a model that has been built'),
  ).action(path);
  return command;
}

function withBuildOptions(command: Command): Command {
  return command
    .argument('<model>', 'a recipe, or a Hugging Face config.json')
    .option('--dtype <dtype>', dtypes.join(', '), oneOf(dtypes), defaultBuildDtype)
    .option('--style <style>', 'contrib (ONNX Runtime’s own operators), standard (opset 23) or primitive (attention in matrix products)', oneOf(styles))
    .option('--seed <n>', 'of the weights', wholeNumber(0), 1);
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const recipes = await listRecipes();
  if (json) {
    const rows = recipes.map((recipe) => ({ ...recipe, parameters: parameterCount(recipe) }));
    await printData(`${JSON.stringify(rows, null, 2)}\n`);
    return;
  }
  const column = (header: [string, string], importance: number, value: (recipe: Recipe) => string) => ({
    header,
    values: recipes.map(value),
    align: importance === 9 ? ('left' as const) : ('right' as const),
    importance,
  });
  const table = renderTable(
    [
      column(['recipe', ''], 9, ({ id }) => id),
      column(['parameters', ''], 8, (recipe) => formatQuantity(parameterCount(recipe), parameterUnits)),
      column(['layers', ''], 5, ({ layers }) => String(layers)),
      column(['hidden', ''], 4, ({ hiddenSize }) => String(hiddenSize)),
      column(['heads', 'q/kv'], 3, ({ heads, kvHeads }) => `${heads}/${kvHeads}`),
      column(['experts', 'used/all'], 6, ({ mixture }) =>
        mixture ? `${mixture.expertsPerToken}/${mixture.experts}` : '–',
      ),
      column(['context', 'tokens'], 7, ({ contextLength }) => String(contextLength)),
      { ...column(['source', ''], 2, ({ source }) => source.replace(hubFile, '$1')), align: 'left' as const },
    ],
    terminalOf(process.stdout).width,
    (text) => text,
  );
  await printData(`${table}\n`);
}

async function build(spec: string, { dtype, style, seed }: BuildFlags): Promise<void> {
  const recipe = await recipeOf(spec);
  const line = progressLine(process.stderr, false);
  const interrupt = onInterrupt(() => {});
  try {
    const directory = await buildModel(recipe, {
      dtype,
      style: style ?? defaultStyle(recipe),
      seed,
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

async function path(spec: string, { dtype, style, seed }: BuildFlags): Promise<void> {
  const recipe = await recipeOf(spec);
  const directory = await builtModelDirectory(recipe, { dtype, style: style ?? defaultStyle(recipe), seed });
  if (directory === null) {
    throw new TokenworkError(
      'not-built',
      `${recipe.id} (${dtype}) has not been built yet.`,
      `Run: tokenwork models build ${spec} --dtype ${dtype}`,
    );
  }
  await printData(`${directory}\n`);
}

async function recipeOf(spec: string): Promise<Recipe> {
  const located = await locateModel(spec);
  if (located.kind === 'recipe') return located.recipe;
  throw new TokenworkError(
    'not-a-recipe',
    `${spec} has weights of its own, so there is nothing to build.`,
    'Use it as it is: tokenwork bench --model …; `tokenwork models list` shows what can be built.',
  );
}

/** A source on the hub is as well known by its repository. */
const hubFile = /^https:\/\/huggingface\.co\/([^/]+\/[^/]+)\/.*$/;

const parameterUnits = [
  { name: '', per: 1 },
  { name: 'M', per: 1e6 },
  { name: 'B', per: 1e9 },
];
