import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { cacheDirectory } from '../cache-directory.js';
import type { Dtype } from '../dtype.js';
import type { Recipe } from '../recipe.js';
import { isDirectory } from './atomic-folder.js';
import { type BuildWatch, buildFolder } from './build-folder.js';
import { assemble, type GraphOptions, type Store } from './build-graph.js';
import { writeDecoder } from './decoder.js';
import { folderFiles, transformersJs, vocabularyOf } from './folder-files.js';
import type { GraphBuilder } from './graph-builder.js';
import { defaultGraphVariant, type GraphVariant } from './graph-variant.js';
import type { OnBytes } from './synced-file.js';
import { writeOnnx } from './write-onnx.js';

/**
 * Part of a built folder's name. Raise it whenever the same graph would come with other bytes: a change
 * to the random numbers, the tokenizer or the files around the graph. A change to the graph itself
 * renames the folder by itself.
 */
const builderVersion = 1;

export interface BuildTarget {
  dtype: Dtype;
  graphVariant?: GraphVariant;
  seed?: number;
  cacheDirectory?: string;
}

export type BuildOptions = BuildTarget & BuildWatch;

/**
 * Builds a recipe into a complete transformers.js model folder and returns its path; a folder built
 * before is returned at once. The same recipe, dtype, graph variant and seed give the same bytes.
 * Throws TokenworkError `graph-variant-unsupported`, `disk-full`, `cache-unwritable` or `aborted`.
 */
export async function buildModel(recipe: Recipe, options: BuildOptions): Promise<string> {
  const graphOptions = graphOptionsOf(recipe, options);
  const { dtype, graphVariant, seed } = graphOptions;
  const blueprint = {
    name: recipe.name,
    message: `Building ${recipe.name} (${dtype}, ${graphVariant})`,
    target: targetOf(recipe, options),
    write: async (directory: string, onBytes: OnBytes) => {
      const assembled = (store: Store) => assemble(recipe, graphOptions, store);
      const externalData = await writeOnnx(assembled, { dtype, seed }, directory, onBytes);
      return folderFiles(recipe, vocabularyOf(recipe), transformersJs(dtype, externalData));
    },
  };
  return buildFolder(blueprint, options);
}

/** The folder that `buildModel` has built; null where it has not yet. */
export async function builtModelDirectory(recipe: Recipe, options: BuildTarget): Promise<string | null> {
  const target = targetOf(recipe, options);
  return (await isDirectory(target)) ? target : null;
}

function graphOptionsOf(
  recipe: Recipe,
  { dtype, graphVariant = defaultGraphVariant(recipe), seed = 1 }: BuildTarget,
): GraphOptions {
  return { dtype, graphVariant, seed };
}

function targetOf(recipe: Recipe, options: BuildTarget): string {
  const models = join(options.cacheDirectory ?? cacheDirectory(), 'models');
  return join(models, folderName(recipe, graphOptionsOf(recipe, options)));
}

function folderName(recipe: Recipe, options: GraphOptions): string {
  const { name: _name, source: _source, ...shape } = recipe;
  const digest = digestOf(shape, options, writeDecoder(recipe, options));
  return `${recipe.id}-${options.dtype}-${options.graphVariant}-seed${options.seed}-${digest}`;
}

/** Tells a built folder from those of other shapes, options and graphs. */
export function digestOf(shape: object, options: object, graph: GraphBuilder): string {
  const { nodes, inputs, outputs, tensors } = graph;
  const written = [
    nodes,
    inputs,
    outputs,
    tensors.map(({ name, dims, dataType, fill }) => [name, dims, dataType, fill]),
  ];
  const key = JSON.stringify([builderVersion, shape, options, written]);
  return createHash('sha256').update(key).digest('hex').slice(0, 12);
}
