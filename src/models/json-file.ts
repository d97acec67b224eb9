import { readFile } from 'node:fs/promises';
import { messageOf, TokenworkError } from '../core/errors.js';
import { positionOfSyntaxError } from '../core/json/json-position.js';

/**
 * The object a JSON file holds. Throws TokenworkError `json-missing`, `json-unreadable`, `json-broken`
 * (with line and column) or `json-not-an-object`.
 */
export async function readJsonObject(path: string): Promise<Record<string, unknown>> {
  const text = await readText(path);
  let value: unknown;
  try {
    value = parsePython(text);
  } catch (cause) {
    throw new TokenworkError(
      'json-broken',
      `${path} is not valid JSON: ${describeSyntaxError(text, messageOf(cause))}.`,
      text.startsWith('version https://git-lfs')
        ? 'It is a Git LFS pointer: run `git lfs pull` in that repository.'
        : 'Download the file again or correct it there.',
      { cause },
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TokenworkError(
      'json-not-an-object',
      `${path} holds no JSON object but ${Array.isArray(value) ? 'an array' : JSON.stringify(value)}.`,
      'Download the file again.',
    );
  }
  return value as Record<string, unknown>;
}

/** JSON, and what Python's json writes beyond it: NaN (read as null), Infinity and -Infinity. */
function parsePython(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    const strict = withoutPythonNumbers(text);
    if (strict === text) throw thrown;
    return JSON.parse(strict);
  }
}

/** Scans once and without backtracking: texts are as long as they please. */
function withoutPythonNumbers(text: string): string {
  let result = '';
  for (let at = 0; at < text.length; ) {
    const quote = text.indexOf('"', at);
    const outside = text.slice(at, quote < 0 ? text.length : quote);
    // JSON.parse takes a number too large for infinite.
    result += outside.replaceAll(/\bNaN\b/g, 'null').replaceAll(/\bInfinity\b/g, '1e999');
    if (quote < 0) break;
    let end = quote + 1;
    while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
    result += text.slice(quote, end + 1);
    at = end + 1;
  }
  return result;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new TokenworkError('json-missing', `There is no file ${path}.`, 'Check the path.', { cause });
    }
    throw new TokenworkError(
      'json-unreadable',
      `${path} could not be read: ${messageOf(cause)}.`,
      'Check that the file can be read by you.',
      { cause },
    );
  }
}

function describeSyntaxError(text: string, message: string): string {
  const { line, column, atEnd } = positionOfSyntaxError(text);
  // V8 quotes the surroundings, or gives an offset, at its own discretion.
  const what = atEnd ? 'the text ends too early' : message.replace(/(,| in JSON at) .*$/s, '');
  return `${what} at line ${line}, column ${column}`;
}
