import { messageOf } from '../core/errors.js';
import type { JsonPath } from '../core/schema-issue.js';

/** The line (from 1) of the value at `path` in valid JSON, or of its nearest ancestor that is there. */
export function lineOfPath(text: string, path: JsonPath): number {
  const tokens = [...text.matchAll(/"(?:\\.|[^"\\])*"|[{}[\],:]|[^\s{}[\],:"]+/g)];
  let at = 0;
  for (const key of path) {
    const child = childOf(tokens, at, key);
    if (child === undefined) break;
    at = child;
  }
  return lineOfOffset(text, tokens[at]?.index ?? 0);
}

/** The line (from 1) at which text stops being JSON; the last one where it ends too early. */
export function lineOfSyntaxError(text: string): number {
  const lines = text.split('\n');
  for (let count = 1; count < lines.length; count++) {
    if (!mayGoOn(`${lines.slice(0, count).join('\n')}\n`)) return count;
  }
  return lines.length;
}

/**
 * Whether a beginning of a document has nothing wrong but, perhaps, that it ends. `JSON.parse` names an
 * offset in some of its messages only, so it is asked about growing beginnings instead.
 */
function mayGoOn(beginning: string): boolean {
  try {
    JSON.parse(beginning);
    return true;
  } catch (error) {
    const message = messageOf(error);
    const offset = /position (\d+)/.exec(message)?.[1];
    return offset === undefined ? message.includes('end of JSON') : Number(offset) >= beginning.length;
  }
}

function lineOfOffset(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

type Tokens = readonly RegExpExecArray[];

/** The token that starts the value under `key` of the container starting at `start`. */
function childOf(tokens: Tokens, start: number, key: string | number): number | undefined {
  const inObject = tokens[start]?.[0] === '{';
  if (!inObject && tokens[start]?.[0] !== '[') return undefined;
  let at = start + 1;
  for (let index = 0; at < tokens.length && tokens[at]![0] !== (inObject ? '}' : ']'); index++) {
    const name = inObject ? JSON.parse(tokens[at]![0]) : index;
    if (inObject) at += 2;
    if (name === key) return at;
    at = afterValue(tokens, at);
    if (tokens[at]?.[0] === ',') at++;
  }
  return undefined;
}

function afterValue(tokens: Tokens, start: number): number {
  let depth = 0;
  let at = start;
  do {
    const token = tokens[at]?.[0];
    if (token === '{' || token === '[') depth++;
    if (token === '}' || token === ']') depth--;
    at++;
  } while (depth > 0 && at < tokens.length);
  return at;
}
