import { readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { closest } from 'fastest-levenshtein';
import { messageOf, TokenworkError } from '../core/errors.js';

/** A folder of bench/ with JSON files that users name: `kind` is what one is called, `suite` or `pipeline`. */
export interface Shelf {
  kind: 'pipeline' | 'suite';
  directory: string;
}

/** Names of the shipped files. */
export async function listShipped({ directory }: Shelf): Promise<string[]> {
  const files = await readdir(directory);
  return files.filter((file) => file.endsWith('.json')).map((file) => basename(file, '.json'));
}

/** A shipped file by name, with what it says of itself. */
export interface ShippedFile {
  name: string;
  description: string;
}

/** The shipped files with their descriptions, by name; read at once, for the help's sake. */
export function describeShipped({ directory }: Shelf): ShippedFile[] {
  const files = readdirSync(directory).filter((file) => file.endsWith('.json'));
  return files.sort().map((file) => {
    const { description } = JSON.parse(readFileSync(join(directory, file), 'utf8')) as ShippedFile;
    return { name: basename(file, '.json'), description };
  });
}

/** Whether the argument is meant as a path: it has a slash, or ends in `.json`. */
export function isPath(nameOrPath: string): boolean {
  return /[\\/]|\.json$/i.test(nameOrPath);
}

/**
 * The text of a shipped file by name, or of any file by path. Throws TokenworkError `unknown-KIND` or
 * `unreadable-KIND`.
 */
export async function readNamedFile(
  nameOrPath: string,
  shelf: Shelf,
): Promise<{ path: string; text: string }> {
  const { kind, directory } = shelf;
  if (!isPath(nameOrPath)) {
    const known = await listShipped(shelf);
    if (!known.includes(nameOrPath)) {
      throw new TokenworkError(
        `unknown-${kind}`,
        `No ${kind} is called "${nameOrPath}".`,
        `Did you mean "${closest(nameOrPath, known)}"? There are: ${known.join(', ')}; or pass the path of a .json file.`,
      );
    }
  }
  const path = isPath(nameOrPath) ? nameOrPath : join(directory, `${nameOrPath}.json`);
  try {
    return { path, text: await readFile(path, 'utf8') };
  } catch (cause) {
    throw new TokenworkError(
      `unreadable-${kind}`,
      `The ${kind} ${path} cannot be read: ${messageOf(cause)}.`,
      `Check the path, or name a shipped ${kind}: ${(await listShipped(shelf)).join(', ')}.`,
      { cause },
    );
  }
}
