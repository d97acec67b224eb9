import { stat } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { parseGgufShardFilename } from '@huggingface/gguf';
import type { Warning } from '../core/codes.js';
import { TokenworkError } from '../core/errors.js';
import { otherwise } from '../core/log.js';
import { plainStrings } from '../core/text.js';
import { buildModel } from './build/build-model.js';
import type { GraphVariant } from './build/graph-variant.js';
import { cacheDirectory } from './cache-directory.js';
import { type CountedShape, countedShapeOf } from './counted-config.js';
import type { Dtype } from './dtype.js';
import { type EncoderRecipe, listEncoderRecipes } from './encoder/recipe.js';
import { dtypeNotice, type ModelFolder, type OnProgress, openFolder, readConfig } from './folder.js';
import { ggufIn } from './gguf/parts.js';
import { recipeFromConfig } from './hf-config.js';
import { namesHubFile, parseHubFile } from './hub/gguf.js';
import { downloadRepo, parseHubSpec } from './hub/repository.js';
import { readJsonObject } from './json-file.js';
import { findOllama } from './ollama/store.js';
import { holdsOnnx, listOnnxFiles } from './onnx-file.js';
import { listRecipes, type Recipe } from './recipe.js';
import { conversions, notAModel, unknownModel } from './unknown-model.js';

/** Options of finding, building or downloading a model. */
export interface ResolveOptions {
  dtype?: Dtype | undefined;
  /** Graph variant of a model that is built. */
  graphVariant?: GraphVariant | undefined;
  /** Seed of the weights of a model that is built. */
  seed?: number | undefined;
  cacheDirectory?: string | undefined;
  onProgress?: OnProgress | undefined;
  signal?: AbortSignal | undefined;
}

/** The thing that a spec turned out to name. */
export type Located =
  | { kind: 'recipe'; recipe: Recipe; notices: Warning[] }
  /** A shape that is counted and not built. */
  | { kind: 'counted'; id: string; shape: CountedShape; notices: Warning[] }
  | { kind: 'encoder'; recipe: EncoderRecipe }
  | { kind: 'folder'; directory: string }
  | { kind: 'onnx'; path: string }
  /** A GGUF file, or any part of a split one; `id` where its name is not the file's. */
  | { kind: 'gguf'; path: string; id?: string }
  /** A GGUF file of the hub. */
  | { kind: 'hub-gguf'; id: string }
  | { kind: 'hub'; repo: string };

/**
 * Dtype of models that are built where none is asked for: what people run on CPUs, and the fastest to
 * build. For a model with weights of its own it is the most exact one there is.
 */
export const defaultBuildDtype: Dtype = 'q4';

/**
 * The model a spec names, ready to be run: a recipe's id, a model folder, the path of a `config.json` (or
 * a folder with nothing else), which is built with random weights, or `hf:OWNER/NAME[@REVISION]`. GGUF models, which
 * `locateModel` finds too, are made ready by `resolveGguf` (gguf/resolve.ts).
 * Throws TokenworkError `unknown-model`, naming the nearest, or whatever reading, building or downloading
 * it throws.
 */
export async function resolveModel(spec: string, options: ResolveOptions = {}): Promise<ModelFolder> {
  const located = await locateModel(spec);
  const cache = options.cacheDirectory ?? cacheDirectory();
  const { onProgress, signal } = options;
  const open = { cacheDirectory: cache, onProgress, signal };
  switch (located.kind) {
    case 'recipe': {
      const { recipe, notices } = located;
      const { dtype = defaultBuildDtype, graphVariant, seed } = options;
      const directory = await buildModel(recipe, {
        dtype,
        cacheDirectory: cache,
        ...(graphVariant && { graphVariant }),
        ...(seed !== undefined && { seed }),
        ...(onProgress && { onProgress }),
        ...(signal && { signal }),
      });
      const model = await openFolder(directory, { ...open, id: recipe.id, source: 'synthesised', dtype });
      return { ...model, notices };
    }
    case 'counted':
      throw countedOnly(located.id);
    case 'gguf':
    case 'hub-gguf':
      throw new TokenworkError(
        'model-not-onnx',
        `${spec} is a GGUF model, which ONNX Runtime does not read.`,
        'Run it through llama.cpp, or the same model as hf:OWNER/NAME or a folder with ONNX files.',
      );
    case 'encoder':
      throw new TokenworkError(
        'not-a-decoder',
        `${spec} is an encoder: it reads texts and generates none.`,
        `Name a decoder. Encoders are for the stages of a pipeline that embed or classify texts.`,
      );
    case 'hub': {
      const { repo: id } = located;
      const { directory, dtype, available } = await downloadRepo(spec, { ...open, dtype: options.dtype });
      const model = await openFolder(directory, { ...open, id, source: 'hub', dtype });
      return options.dtype === undefined ? { ...model, notices: dtypeNotice(model, available) } : model;
    }
    case 'onnx':
      return openFolder(...(await folderOf(located.path, open)));
    case 'folder':
      return openFolder(located.directory, { ...open, dtype: options.dtype });
  }
}

/** Finds out what a spec names, without building or downloading. Throws as `resolveModel` does. */
export async function locateModel(spec: string): Promise<Located> {
  if (namesHubFile(spec)) {
    const { repo, file } = parseHubFile(spec);
    return { kind: 'hub-gguf', id: `${repo}:${file}` };
  }
  if (spec.startsWith('hf:')) return { kind: 'hub', repo: parseHubSpec(spec).repo };
  if (spec.startsWith('ollama:')) {
    const { name, path } = await findOllama(spec);
    return { kind: 'gguf', path, id: `ollama:${name}` };
  }
  const recipes = await listRecipes();
  const recipe = recipes.find(({ id }) => id === spec);
  if (recipe) return { kind: 'recipe', recipe, notices: [] };
  const encoders = await listEncoderRecipes();
  const encoder = encoders.find(({ id }) => id === spec);
  if (encoder) return { kind: 'encoder', recipe: encoder };

  const path = resolve(spec);
  // An empty name would resolve to the working directory.
  const found = spec === '' ? null : await stat(path).catch(otherwise(null, 'looking for a model'));
  if (found?.isDirectory()) return locateInFolder(path);
  if (found && extname(path) === '.onnx') return { kind: 'onnx', path };
  // A part of a split model that is not there is named by what reads it.
  if (extname(path) === '.gguf' && (found || parseGgufShardFilename(basename(path))))
    return { kind: 'gguf', path };
  if (found && extname(path) === '.json') {
    const id = basename(path) === 'config.json' ? basename(dirname(path)) : basename(path, '.json');
    return locateConfig(plainStrings(await readJsonObject(path)), idOf(id), []);
  }
  if (found) throw notAModel(spec);
  throw await unknownModel(
    spec,
    [...recipes, ...encoders].map(({ id }) => id),
  );
}

async function locateInFolder(directory: string): Promise<Located> {
  const gguf = (await holdsOnnx(directory)) ? null : await ggufIn(directory);
  if (gguf !== null) return { kind: 'gguf', path: gguf };
  const config = await readConfig(directory);
  if (await holdsOnnx(directory)) return { kind: 'folder', directory };
  const notice: Warning = {
    code: 'weights-synthesised',
    message: `${directory} holds a config.json but no ONNX file: its shape is built with random weights.`,
    hint: `Costs are those of the shape. To run trained weights, ${conversions}.`,
  };
  return locateConfig(config, idOf(basename(directory)), [notice]);
}

/** The error where a shape that is only counted should be built. */
export function countedOnly(id: string): TokenworkError {
  return new TokenworkError(
    'unsupported-architecture',
    `${id} is of an architecture that tokenwork counts and cannot build.`,
    'Count it with `tokenwork flops`; a folder with its own ONNX file is accepted for any decoder.',
  );
}

function locateConfig(config: Record<string, unknown>, id: string, notices: Warning[]): Located {
  const shape = countedShapeOf(config, id);
  if (shape) return { kind: 'counted', id, shape, notices };
  return { kind: 'recipe', recipe: recipeFromConfig(config, id), notices };
}

/** The folder and dtype of an .onnx file that lies in a model folder. */
async function folderOf<Options extends object>(
  path: string,
  options: Options,
): Promise<[string, Options & { dtype: string }]> {
  const directory = dirname(dirname(path));
  const file = (await listOnnxFiles(directory)).find((file) => file.path === path);
  if (!file) {
    throw new TokenworkError(
      'not-a-folder',
      `${path} lies in no model folder, so there is no tokenizer for it.`,
      'Put it at onnx/model.onnx beside config.json and tokenizer.json, or count its costs with `tokenwork flops`.',
    );
  }
  return [directory, { ...options, dtype: file.dtype }];
}

/** Folder names may hold characters a recipe's id may not. */
function idOf(name: string): string {
  return name.replace(/[^a-z0-9._-]/gi, '-').replace(/^[^a-z0-9]+/i, '') || 'config';
}
