import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TokenworkError } from '../../core/errors.js';
import { cacheDirectory } from '../cache-directory.js';
import type { Dtype } from '../dtype.js';
import type { Recipe } from '../recipe.js';
import { isDirectory, makeFolderOnce } from './atomic-folder.js';
import type { GraphOptions } from './build-graph.js';
import { writeDecoder } from './decoder.js';
import { folderFiles } from './folder-files.js';
import { defaultStyle, type Style } from './style.js';
import { writeOnnx } from './write-onnx.js';

/**
 * Part of a built folder's name. Raise it whenever the same graph would come with other bytes: a change
 * to the random numbers, the tokenizer or the files around the graph. A change to the graph itself
 * renames the folder by itself.
 */
const builderVersion = 1;

const progressEveryMs = 250;

export interface BuildTarget {
  dtype: Dtype;
  style?: Style;
  seed?: number;
  cacheDirectory?: string;
}

export interface BuildOptions extends BuildTarget {
  onProgress?: (progress: { fraction: number; message: string }) => void;
  signal?: AbortSignal;
}

/**
 * Builds a recipe into a complete transformers.js model folder and returns its path; a folder built
 * before is returned at once. The same recipe, dtype, style and seed give the same bytes.
 * Throws TokenworkError `style-unsupported`, `disk-full`, `cache-unwritable` or `aborted`.
 */
export async function buildModel(recipe: Recipe, options: BuildOptions): Promise<string> {
  const { onProgress, signal } = options;
  const graphOptions = graphOptionsOf(recipe, options);
  const { dtype, style } = graphOptions;
  const target = targetOf(recipe, options);
  const message = `Building ${recipe.name} (${dtype}, ${style})`;
  let reportedAt = performance.now();
  const onBytes = (written: number, total: number) => {
    throwIfAborted(signal, recipe);
    const now = performance.now();
    if (now - reportedAt < progressEveryMs && written < total) return;
    reportedAt = now;
    onProgress?.({ fraction: written / total, message });
  };
  return makeFolderOnce(target, async (directory) => {
    throwIfAborted(signal, recipe);
    const onnxDirectory = join(directory, 'onnx');
    await mkdir(onnxDirectory);
    const externalData = await writeOnnx(recipe, graphOptions, onnxDirectory, onBytes);
    for (const [name, content] of Object.entries(folderFiles(recipe, dtype, externalData))) {
      await writeFile(join(directory, name), `${JSON.stringify(content)}\n`, { flush: true });
    }
  });
}

/** The folder that `buildModel` has built; null where it has not yet. */
export async function builtModelDirectory(recipe: Recipe, options: BuildTarget): Promise<string | null> {
  const target = targetOf(recipe, options);
  return (await isDirectory(target)) ? target : null;
}

function graphOptionsOf(
  recipe: Recipe,
  { dtype, style = defaultStyle(recipe), seed = 1 }: BuildTarget,
): GraphOptions {
  return { dtype, style, seed };
}

function targetOf(recipe: Recipe, options: BuildTarget): string {
  const models = join(options.cacheDirectory ?? cacheDirectory(), 'models');
  return join(models, folderName(recipe, graphOptionsOf(recipe, options)));
}

function folderName(recipe: Recipe, options: GraphOptions): string {
  const { name: _name, source: _source, ...shape } = recipe;
  const { nodes, inputs, outputs, tensors } = writeDecoder(recipe, options);
  const graph = [
    nodes,
    inputs,
    outputs,
    tensors.map(({ name, dims, dataType, fill }) => [name, dims, dataType, fill]),
  ];
  const key = JSON.stringify([builderVersion, shape, options, graph]);
  const digest = createHash('sha256').update(key).digest('hex').slice(0, 12);
  return `${recipe.id}-${options.dtype}-${options.style}-seed${options.seed}-${digest}`;
}

function throwIfAborted(signal: AbortSignal | undefined, recipe: Recipe): void {
  if (!signal?.aborted) return;
  throw new TokenworkError(
    'aborted',
    `Building ${recipe.name} was stopped.`,
    'Nothing half-built was kept.',
    {
      cause: signal.reason,
      exitCode: 3,
    },
  );
}
