import { TokenworkError } from '../core/errors.js';
import { readResult } from '../core/migrate.js';
import type { Result } from '../core/result.js';
import { readJsonObject } from '../models/json-file.js';

/** The result in a file, of any schema version up to the current one. Every error names the file. */
export async function readResultFile(path: string): Promise<Result> {
  const json = await readJsonObject(path);
  try {
    return readResult(json);
  } catch (thrown) {
    if (!(thrown instanceof TokenworkError)) throw thrown;
    throw new TokenworkError(thrown.code, `${path}: ${thrown.message}`, thrown.hint, { cause: thrown });
  }
}
