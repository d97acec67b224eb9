import { TokenworkError } from '../../core/errors.js';
import { buildEncoder } from '../build/encoder/build.js';
import { cacheDirectory } from '../cache-directory.js';
import type { GgufEncoder } from '../gguf/encoder.js';
import { openGgufEncoder } from '../gguf/open.js';
import { downloadGguf } from '../hub/gguf.js';
import { downloadRepo } from '../hub/repository.js';
import { defaultBuildDtype, locateModel, type ResolveOptions } from '../resolve.js';
import { type EncoderFolder, openEncoderFolder } from './folder.js';
import type { EncoderHead } from './recipe.js';

export type ResolveEncoderOptions = Omit<ResolveOptions, 'graphVariant'> & {
  /** Head that is needed: a recipe is built with it, a model of its own weights must have it. */
  head: EncoderHead;
};

/**
 * The encoder a spec names, ready to be run: a recipe's id, a model folder, `hf:OWNER/NAME[@REVISION]`, or an embedding
 * model in GGUF (a file, a folder with one, `ollama:NAME`, `hf:OWNER/NAME:FILE.gguf`).
 * Throws TokenworkError `unknown-model`, `not-an-encoder`, `encoder-head`, or whatever reading, building
 * or downloading it throws.
 */
export async function resolveEncoder(
  spec: string,
  options: ResolveEncoderOptions,
): Promise<EncoderFolder | GgufEncoder> {
  const { head, onProgress, signal } = options;
  const cache = options.cacheDirectory ?? cacheDirectory();
  const open = { cacheDirectory: cache, onProgress, signal };
  const located = await locateModel(spec);
  if (located.kind === 'encoder') {
    const { recipe } = located;
    const { dtype = defaultBuildDtype, seed } = options;
    const directory = await buildEncoder(recipe, {
      dtype,
      head,
      cacheDirectory: cache,
      ...(seed !== undefined && { seed }),
      ...(onProgress && { onProgress }),
      ...(signal && { signal }),
    });
    return openEncoderFolder(directory, { ...open, id: recipe.id, source: 'synthesised', dtype });
  }
  if (located.kind === 'gguf' || located.kind === 'hub-gguf') {
    const { id } = located;
    const isLocal = located.kind === 'gguf';
    const path = isLocal ? located.path : await downloadGguf(spec, open);
    const source = isLocal ? 'folder' : 'hub';
    return withHead(await openGgufEncoder(path, { ...open, source, ...(id !== undefined && { id }) }), head);
  }
  if (located.kind !== 'folder' && located.kind !== 'hub')
    throw new TokenworkError(
      'not-an-encoder',
      `${spec} is not an encoder.`,
      'Name a recipe of an encoder (`tokenwork models list`), an encoder’s folder or GGUF file, or hf:OWNER/NAME.',
    );
  if (located.kind === 'folder')
    return withHead(await openEncoderFolder(located.directory, { ...open, dtype: options.dtype }), head);
  const { directory, dtype } = await downloadRepo(spec, { ...open, dtype: options.dtype });
  return withHead(
    await openEncoderFolder(directory, { ...open, id: located.repo, source: 'hub', dtype }),
    head,
  );
}

function withHead<Model extends EncoderFolder | GgufEncoder>(model: Model, head: EncoderHead): Model {
  const classifies = model.format === 'onnx' && model.encoder.output.kind === 'classification';
  if (classifies === (head.kind === 'classification')) return model;
  throw new TokenworkError(
    'encoder-head',
    `${model.id} ${classifies ? 'classifies texts' : 'embeds texts'}, but what is wanted of it is ${head.kind}.`,
    'Name an encoder with that head.',
  );
}
