import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { closest } from 'fastest-levenshtein';
import type { z } from 'zod';
import type { ErrorCode } from '../core/codes.js';
import { messageOf, TokenworkError } from '../core/errors.js';

const directory = fileURLToPath(new URL('../../models/', import.meta.url));

/** Kind of model that a recipe describes; an encoder's `architecture` is bert. */
export type RecipeKind = 'decoder' | 'encoder';

/** The shipped recipe of that id, unchecked. Throws TokenworkError `unknown-model`, naming the nearest id. */
export async function readRecipe(id: string, kind: RecipeKind): Promise<{ content: unknown; path: string }> {
  const ids = await recipeIds(kind);
  if (ids.includes(id)) return read(id);
  const other = (await recipeIds(kind === 'decoder' ? 'encoder' : 'decoder')).includes(id);
  throw new TokenworkError(
    'unknown-model',
    other ? `The recipe "${id}" describes no ${kind}.` : `No recipe is called "${id}".`,
    `Did you mean "${closest(id, ids)}"? There are: ${ids.join(', ')}.`,
  );
}

/** Ids of every shipped recipe of a kind. */
export async function recipeIds(kind: RecipeKind): Promise<string[]> {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.json')).sort();
  const ids = files.map((file) => file.slice(0, -'.json'.length));
  const contents = await Promise.all(ids.map(read));
  return ids.filter((_, index) => {
    const { architecture } = contents[index]!.content as { architecture?: unknown };
    return (architecture === 'bert') === (kind === 'encoder');
  });
}

/** Checks what a recipe holds; `code` is that of the error, `what` names the file. */
export function parseRecipeWith<Schema extends z.ZodType>(
  schema: Schema,
  content: unknown,
  what: string,
  code: ErrorCode,
  kind: RecipeKind,
): z.infer<Schema> {
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) =>
    [path.join('.'), message].filter(Boolean).join(': '),
  );
  throw new TokenworkError(
    code,
    `The ${what} does not describe ${kind === 'decoder' ? 'a decoder' : 'an encoder'}: ${problems.join('; ')}.`,
    'Compare it with the model card it was taken from.',
    { cause: parsed.error },
  );
}

async function read(id: string): Promise<{ content: unknown; path: string }> {
  const path = join(directory, `${id}.json`);
  try {
    return { content: JSON.parse(await readFile(path, 'utf8')), path };
  } catch (cause) {
    const message = `${path} cannot be read: ${messageOf(cause)}.`;
    throw new TokenworkError('bad-recipe', message, 'Reinstall tokenwork.', { cause });
  }
}
