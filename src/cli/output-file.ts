import { closeSync, openSync } from 'node:fs';
import { mkdtemp, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { messageOf, TokenworkError } from '../core/errors.js';
import { writeTexts } from '../core/json/write-texts.js';
import { otherwise } from '../core/log.js';

/**
 * Writes a document so that `path` holds either what it held before or all of it. Throws TokenworkError
 * `unwritable-output`, also where a result lies there, unless
 * `overResult`: naming it as the place to write to is a slip.
 */
export async function writeOutputFile(
  path: string,
  content: string | Uint8Array | Iterable<string>,
  { overResult = false }: { overResult?: boolean } = {},
): Promise<void> {
  await refusePrecious(path, overResult);
  let scratch: string | undefined;
  try {
    scratch = await mkdtemp(join(dirname(path), `.${basename(path)}.`));
    const temporary = join(scratch, 'written');
    await write(temporary, content);
    await rename(temporary, path);
  } catch (cause) {
    throw unwritable(path, messageOf(cause), 'Choose another place.', cause);
  } finally {
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
  }
}

async function write(path: string, content: string | Uint8Array | Iterable<string>): Promise<void> {
  if (typeof content === 'string' || content instanceof Uint8Array) return writeFile(path, content);
  const file = openSync(path, 'w');
  try {
    writeTexts(file, content);
  } finally {
    closeSync(file);
  }
}

/** Throws TokenworkError `unwritable-output` where a file lies at `path`. */
export async function refuseExisting(path: string): Promise<void> {
  const found = await stat(path).catch(otherwise(undefined, 'the place of the output'));
  if (found?.isFile()) throw unwritable(path, 'a file lies there', 'Add --force to replace it.');
}

async function refusePrecious(path: string, overResult: boolean): Promise<void> {
  const found = await stat(path).catch(otherwise(undefined, 'the place of the output'));
  if (found === undefined) return;
  if (!found.isFile()) {
    const what = found.isDirectory() ? 'a folder' : 'a device';
    throw unwritable(path, `it is ${what}`, 'Name a file; `-` stands for standard output.');
  }
  if (!overResult && /^\s*\{\s*"schemaVersion"/.test(await beginningOf(path))) {
    throw unwritable(path, 'a result lies there', 'Name another file to write to.');
  }
}

async function beginningOf(path: string): Promise<string> {
  const file = await open(path).catch(otherwise(undefined, 'what the output replaces'));
  if (file === undefined) return '';
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(256), 0, 256, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

function unwritable(path: string, why: string, hint: string, cause?: unknown): TokenworkError {
  return new TokenworkError('unwritable-output', `${path} cannot be written: ${why}.`, hint, { cause });
}
