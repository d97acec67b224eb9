import { join } from 'node:path';
import { cacheDirectory } from '../../cache-directory.js';
import type { Dtype } from '../../dtype.js';
import type { Recipe } from '../../recipe.js';
import { isDirectory } from '../atomic-folder.js';
import { type BuildWatch, buildFolder } from '../build-folder.js';
import { digestOf } from '../build-model.js';
import { writeDecoder } from '../decoder.js';
import { folderFiles, vocabularyOf } from '../folder-files.js';
import { defaultGraphVariant } from '../graph-variant.js';
import type { OnBytes } from '../synced-file.js';
import { ggufFormatOf, ggufMetadata } from './metadata.js';
import { writePieces } from './pieces.js';

/** Part of a built folder's name. Raise it whenever the same recipe would come with other bytes in GGUF. */
const writerVersion = 1;

/** The model's file in a built folder. */
export const ggufFileName = 'model.gguf';

export interface GgufTarget {
  dtype: Dtype;
  seed?: number;
  cacheDirectory?: string;
}

/**
 * Builds a recipe into a folder with `model.gguf`, config and tokenizer, and returns its path; a folder built before is
 * returned at once. The same recipe, dtype and seed give the same bytes, and the weights that they give in ONNX (fp16).
 * Throws TokenworkError `unsupported-architecture`, or as `buildModel` does.
 */
export async function buildGguf(recipe: Recipe, options: GgufTarget & BuildWatch): Promise<string> {
  const { dtype, seed = 1 } = options;
  const { type, interleaved } = ggufFormatOf(recipe, dtype);
  const blueprint = {
    name: recipe.name,
    message: `Building ${recipe.name} (${type}, GGUF)`,
    target: targetOf(recipe, options),
    write: async (directory: string, onBytes: OnBytes) => {
      const vocabulary = vocabularyOf(recipe);
      const metadata = ggufMetadata(recipe, dtype, vocabulary);
      const target = { type, seed, interleaved };
      await writePieces(join(directory, ggufFileName), { recipe, target, metadata }, { onBytes });
      return folderFiles(recipe, vocabulary);
    },
  };
  return buildFolder(blueprint, options);
}

/** The folder that `buildGguf` has built; null where it has not yet. */
export async function builtGgufDirectory(recipe: Recipe, options: GgufTarget): Promise<string | null> {
  const target = targetOf(recipe, options);
  return (await isDirectory(target)) ? target : null;
}

function targetOf(recipe: Recipe, { dtype, seed = 1, cacheDirectory: cache }: GgufTarget): string {
  const { name: _name, source: _source, ...shape } = recipe;
  const format = ggufFormatOf(recipe, dtype);
  const graph = writeDecoder(recipe, { dtype: 'fp16', graphVariant: defaultGraphVariant(recipe) });
  const digest = digestOf(shape, { writerVersion, seed, ...format }, graph);
  const folder = `${recipe.id}-${dtype}-gguf-seed${seed}-${digest}`;
  return join(cache ?? cacheDirectory(), 'models', folder);
}
