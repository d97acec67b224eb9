import { join } from 'node:path';
import { TokenworkError } from '../../core/errors.js';
import { buildGguf, ggufFileName } from '../build/gguf/build.js';
import { cacheDirectory } from '../cache-directory.js';
import { downloadGguf } from '../hub/gguf.js';
import { countedOnly, defaultBuildDtype, locateModel, type ResolveOptions } from '../resolve.js';
import { type GgufFile, openGguf } from './open.js';

/**
 * The GGUF model a spec names, ready to be run: a file (any part of a split one), a folder with one, `ollama:NAME[:TAG]`,
 * `hf:OWNER/NAME[@REVISION]:FILE.gguf`, or a recipe (or config.json), which is written as GGUF with random weights.
 * `dtype`, `seed` apply to a recipe alone: fp32 is F32, fp16 F16, int8 Q8_0, q4 Q4_0.
 * Throws TokenworkError `unknown-model`, `not-a-decoder`, `unsupported-architecture`, or whatever
 * reading, building or downloading it throws.
 */
export async function resolveGguf(
  spec: string,
  options: Omit<ResolveOptions, 'graphVariant'> = {},
): Promise<GgufFile> {
  const located = await locateModel(spec);
  const cache = options.cacheDirectory ?? cacheDirectory();
  const { onProgress, signal } = options;
  const open = { cacheDirectory: cache, onProgress, signal };
  switch (located.kind) {
    case 'recipe': {
      const { recipe, notices } = located;
      const { dtype = defaultBuildDtype, seed } = options;
      const directory = await buildGguf(recipe, {
        ...{ dtype, cacheDirectory: cache },
        ...(seed !== undefined && { seed }),
        ...(onProgress && { onProgress }),
        ...(signal && { signal }),
      });
      const file = join(directory, ggufFileName);
      const model = await openGguf(file, { ...open, id: recipe.id, source: 'synthesised' });
      return { ...model, notices: [...notices, ...model.notices] };
    }
    case 'gguf': {
      const { path, id } = located;
      return openGguf(path, { ...open, ...(id !== undefined && { id }) });
    }
    case 'hub-gguf': {
      const path = await downloadGguf(spec, open);
      return openGguf(path, { ...open, id: located.id, source: 'hub' });
    }
    case 'counted':
      throw countedOnly(located.id);
    case 'encoder':
      throw new TokenworkError(
        'not-a-decoder',
        `${spec} is an encoder, which is not written as GGUF.`,
        'Run it through the ONNX engine.',
      );
    case 'hub':
    case 'folder':
    case 'onnx':
      throw new TokenworkError(
        'model-not-gguf',
        `${spec} is a model in ONNX, which llama.cpp does not read.`,
        'Name its GGUF file (of the hub: hf:OWNER/NAME:FILE.gguf), or run it through the ONNX engine.',
      );
  }
}
