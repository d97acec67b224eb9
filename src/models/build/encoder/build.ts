import { join } from 'node:path';
import { cacheDirectory } from '../../cache-directory.js';
import type { Dtype } from '../../dtype.js';
import type { EncoderHead, EncoderRecipe } from '../../encoder/recipe.js';
import type { ModelProto } from '../../onnx/proto.js';
import { isDirectory } from '../atomic-folder.js';
import { type BuildWatch, buildFolder } from '../build-folder.js';
import { modelOf, type Store, storeOf } from '../build-graph.js';
import { digestOf } from '../build-model.js';
import type { OnBytes } from '../synced-file.js';
import { writeOnnx } from '../write-onnx.js';
import { encoderFiles } from './files.js';
import { encoderOpsets, writeEncoder } from './graph.js';

export interface EncoderTarget {
  dtype: Dtype;
  /** An embedding where absent. */
  head?: EncoderHead;
  seed?: number;
  cacheDirectory?: string;
}

/**
 * Builds an encoder's recipe into a complete transformers.js folder and returns its path; a folder built
 * before is returned at once. Throws as `buildModel` does.
 */
export async function buildEncoder(
  recipe: EncoderRecipe,
  options: EncoderTarget & BuildWatch,
): Promise<string> {
  const { dtype, head, seed } = settled(options);
  const graph = writeEncoder(recipe, { dtype, head });
  const blueprint = {
    name: recipe.name,
    message: `Building ${recipe.name} (${dtype}, ${head.kind})`,
    target: targetOf(recipe, options),
    write: async (directory: string, onBytes: OnBytes) => {
      const assemble = (store: Store) => modelOf(recipe.id, graph, encoderOpsets, store);
      const externalData = await writeOnnx(assemble, { dtype, seed }, directory, onBytes);
      return encoderFiles(recipe, head, dtype, externalData);
    },
  };
  return buildFolder(blueprint, options);
}

/** The folder that `buildEncoder` has built; null where it has not yet. */
export async function builtEncoderDirectory(
  recipe: EncoderRecipe,
  options: EncoderTarget,
): Promise<string | null> {
  const target = targetOf(recipe, options);
  return (await isDirectory(target)) ? target : null;
}

/** The encoder's graph; without `weights` it has only what its logic needs, so any size is quickly made. */
export function buildEncoderGraph(
  recipe: EncoderRecipe,
  options: EncoderTarget & { weights?: boolean },
): ModelProto {
  const { dtype, head, seed } = settled(options);
  const graph = writeEncoder(recipe, { dtype, head });
  return modelOf(recipe.id, graph, encoderOpsets, storeOf(seed, options.weights));
}

function settled({ dtype, head = { kind: 'embedding' }, seed = 1 }: EncoderTarget) {
  return { dtype, head, seed };
}

function targetOf(recipe: EncoderRecipe, options: EncoderTarget): string {
  const { dtype, head, seed } = settled(options);
  const { name: _name, source: _source, ...shape } = recipe;
  const digest = digestOf(shape, { dtype, head, seed }, writeEncoder(recipe, { dtype, head }));
  const headName = head.kind === 'embedding' ? head.kind : `${head.labels}-labels`;
  const folder = `${recipe.id}-${dtype}-${headName}-seed${seed}-${digest}`;
  return join(options.cacheDirectory ?? cacheDirectory(), 'models', folder);
}
