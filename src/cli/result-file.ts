import { constants } from 'node:buffer';
import { stat } from 'node:fs/promises';
import { type TabledResult, tabled } from '../analysis/requests/table-builder.js';
import type { ErrorCode } from '../core/codes.js';
import { messageOf, TokenworkError } from '../core/errors.js';
import { otherwise } from '../core/log.js';
import { readResult, readRows } from '../core/migrate.js';
import type { RequestRow, Result } from '../core/result.js';
import { readJsonObject } from '../models/json-file.js';
import { formatBytes } from '../report/words/format.js';
import { jsonPieces } from './json-rows.js';

/**
 * Reads a result from a file, of any schema version up to the current one.
 *
 * @param path a file that `bench` wrote
 * @returns the result, checked against the schema and migrated to its current version
 * @throws TokenworkError that names the file: `json-missing`, `json-unreadable`, `json-broken`,
 *   `json-not-an-object`, `result-too-large`, `empty-result`, or what `readResult` of core/migrate.ts throws
 * @example
 * ```js
 * const { requests, run } = await readResult('result.json');
 * ```
 */
export async function readResultFile(path: string): Promise<Result> {
  await refuseTooLarge(path);
  const json = await readJson(path);
  const result = naming(path, () => readResult(json));
  if (result.requests.length === 0) throw emptyResult(path);
  return result;
}

/** Files up to this size are parsed whole, which tells where their syntax is broken to the column. */
const parsedWholeBytes = 32 * 2 ** 20;

/**
 * Reads a result of any size into columns: of a large one no more than a few rows are in memory at a time. Throws
 * what `readResultFile` throws, but for `result-too-large`.
 */
export async function readTabledFile(path: string, wholeBytes = parsedWholeBytes): Promise<TabledResult> {
  const size = await stat(path).then((found) => found.size, otherwise(0, 'size of a result'));
  if (size <= wholeBytes) {
    const result = await readResultFile(path);
    return tabled(result, result.requests);
  }
  const result = naming(path, () => {
    // Twice over the file, as what rows belong to may stand behind them.
    const outside = [...jsonPieces(path)].flatMap(({ text, isRow }) => (isRow ? [] : text));
    const document = parsed(outside.join(''), 'outside of its requests') as Record<string, unknown>;
    return tabled(readResult(document), checkedRows(path, Number(document.schemaVersion)));
  });
  if (result.table.size + result.table.failed === 0) throw emptyResult(path);
  return result;
}

/** Rows that are migrated and checked together. */
const rowsAtOnce = 500;

function* checkedRows(path: string, version: number): Generator<RequestRow> {
  let [batch, first]: [unknown[], number] = [[], 0];
  for (const { text, isRow } of jsonPieces(path)) {
    if (!isRow) continue;
    batch.push(parsed(text, `in request ${first + batch.length}`));
    if (batch.length < rowsAtOnce) continue;
    yield* readRows(batch, version, first);
    first += batch.length;
    batch = [];
  }
  yield* readRows(batch, version, first);
}

function parsed(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError(`${messageOf(cause)}, ${where}`, { cause });
  }
}

/** Returns what `read` gives; every error names the file. */
function naming<Value>(path: string, read: () => Value): Value {
  try {
    return read();
  } catch (thrown) {
    if (thrown instanceof SyntaxError) {
      const message = `${path} is not valid JSON: ${thrown.message}.`;
      throw new TokenworkError('json-broken', message, hintFor('json-broken', path)!, { cause: thrown });
    }
    if (!(thrown instanceof TokenworkError)) throw thrown;
    throw new TokenworkError(thrown.code, `${path}: ${thrown.message}`, thrown.hint, { cause: thrown });
  }
}

function emptyResult(path: string): TokenworkError {
  return new TokenworkError(
    'empty-result',
    `${path} holds no request, so there is nothing to say about it.`,
    'Pass the result of a run that measured something.',
  );
}

/** The results in several files, one after the other: large ones side by side would not fit into memory. */
export async function readResultFiles(paths: readonly string[]): Promise<Result[]> {
  const results: Result[] = [];
  for (const path of paths) results.push(await readResultFile(path));
  return results;
}

/** JSON has to fit into one string to be parsed; reading more only to fail would take its size in memory. */
async function refuseTooLarge(path: string): Promise<void> {
  // A file that is not there or not to be seen is for the reading to tell.
  const size = await stat(path).then((found) => found.size, otherwise(0, 'size of a result'));
  if (size <= constants.MAX_STRING_LENGTH) return;
  throw new TokenworkError(
    'result-too-large',
    `${path} takes ${formatBytes(size)}, and results of up to ${formatBytes(constants.MAX_STRING_LENGTH)} can be opened.`,
    'Measure fewer requests at a time: --limit for a trace, --repetitions for a suite.',
  );
}

async function readJson(path: string): Promise<Record<string, unknown>> {
  try {
    return await readJsonObject(path);
  } catch (thrown) {
    const hint = thrown instanceof TokenworkError ? hintFor(thrown.code, path) : undefined;
    if (!(thrown instanceof TokenworkError) || hint === undefined) throw thrown;
    throw new TokenworkError(thrown.code, thrown.message, hint, { cause: thrown });
  }
}

function hintFor(code: ErrorCode, path: string): string | undefined {
  if (code === 'json-not-an-object') return 'Pass a file that `tokenwork bench` wrote.';
  if (code !== 'json-broken') return undefined;
  return path.endsWith('.journal.jsonl')
    ? `This is the journal of a run that was cut short. Finish it with: tokenwork bench --resume ${path}`
    : 'Pass a file that `tokenwork bench` wrote, whole: was it cut short when it was copied?';
}
