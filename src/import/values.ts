import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { messageOf, TokenworkError } from '../core/errors.js';
import { positionOfSyntaxError } from '../core/json/json-position.js';
import { log } from '../core/log.js';
import { readJsonObject } from '../models/json-file.js';
import { jsonRecords } from '../workload/json-records.js';
import { badImport, type PlacedValue } from './imported.js';

/** The first line of a file that has a value a line is shorter, prompts and answers in it included. */
const longestFirstLine = 2 ** 20;
const hint = 'Was it cut short when it was copied, or edited? Take it from where it was recorded.';

/**
 * The values of a file: one a line, the elements of an array, or one document over many lines. Of the first two no more
 * than one is in memory at a time. Throws TokenworkError `json-missing`, `json-unreadable`, `json-broken` with line and
 * column, or `bad-import`.
 */
export async function* placedValues(path: string): AsyncGenerator<PlacedValue> {
  const begins = await beginningOf(path);
  if (begins === 'document') {
    yield { value: await readJsonObject(path), where: path };
    return;
  }
  const fail = (line: number, problem: string) => badImport(`${path}:${line}`, problem, hint);
  for await (const { text, line } of jsonRecords(createReadStream(path, 'utf8'), 'lines', fail)) {
    yield { value: parsed(text, line, path), where: `${path}:${line}` };
  }
}

/** `values`: each is parsed as it is read; a file of one line is one value. */
async function beginningOf(path: string): Promise<'values' | 'document'> {
  const file = await open(path).catch((cause: NodeJS.ErrnoException) => {
    const code = cause.code === 'ENOENT' || cause.code === 'ENOTDIR' ? 'json-missing' : 'json-unreadable';
    const message =
      code === 'json-missing' ? `There is no file ${path}` : `${path} could not be read: ${messageOf(cause)}`;
    throw new TokenworkError(code, `${message}.`, 'Check the path and its permissions.', { cause });
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(longestFirstLine), 0, longestFirstLine, 0);
    const text = buffer
      .toString('utf8', 0, bytesRead)
      .replace(/^\uFEFF/, '')
      .trimStart();
    if (text === '' || text.startsWith('[')) return 'values';
    const end = text.indexOf('\n');
    // Of one line that is longer nobody knows the end: one document, which may be as large as a text.
    if (end < 0) return bytesRead < longestFirstLine && isJson(text) ? 'values' : 'document';
    return isJson(text.slice(0, end)) ? 'values' : 'document';
  } catch (cause) {
    throw new TokenworkError(
      'json-unreadable',
      `${path} could not be read: ${messageOf(cause)}.`,
      'Name a file.',
      { cause },
    );
  } finally {
    await file.close();
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    log('reading a value: %s', error);
    return false;
  }
}

function parsed(text: string, line: number, path: string): unknown {
  const plain = text.replace(/^\uFEFF/, '');
  try {
    return JSON.parse(plain);
  } catch (cause) {
    const { line: within, column, atEnd } = positionOfSyntaxError(plain);
    const what = atEnd ? 'the text ends too early' : messageOf(cause).replace(/(,| in JSON at) .*$/s, '');
    const message = `${path} is not valid JSON: ${what} at line ${line + within - 1}, column ${column}.`;
    throw new TokenworkError('json-broken', message, hint, { cause });
  }
}
