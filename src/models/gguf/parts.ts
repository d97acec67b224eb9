import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseGgufShardFilename } from '@huggingface/gguf';
import { TokenworkError } from '../../core/errors.js';
import { otherwise } from '../../core/log.js';

/** Names of all parts of the model that a file's name belongs to, in order: of one that is not split, its own. */
export function partNames(name: string): string[] {
  const split = parseGgufShardFilename(name);
  if (split === null || Number(split.total) === 0) return [name];
  return Array.from(
    { length: Number(split.total) },
    (_, index) => `${split.prefix}-${String(index + 1).padStart(5, '0')}-of-${split.total}.gguf`,
  );
}

/**
 * The GGUF model in a folder, by its first file; null where there is none. Projectors, which add to a model, are not
 * looked at. Throws TokenworkError `bad-option` where there are several.
 */
export async function ggufIn(directory: string): Promise<string | null> {
  const names = await readdir(directory).catch(otherwise([], 'GGUF files of a folder'));
  const files = names.filter((name) => name.endsWith('.gguf') && !name.startsWith('mmproj'));
  const models = [...new Set(files.map((name) => partNames(name)[0]!))].sort();
  if (models.length > 1) {
    throw new TokenworkError(
      'bad-option',
      `${directory} holds ${models.length} models: ${models.join(', ')}.`,
      'Name the file of the one that is meant.',
    );
  }
  return models.length === 0 ? null : join(directory, models[0]!);
}
