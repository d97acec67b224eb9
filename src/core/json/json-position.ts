import { messageOf } from '../errors.js';
import type { JsonPath } from './schema-issue.js';

/** The line (from 1) of the value at `path` in valid JSON, or of its nearest ancestor that is there. */
export function lineOfPath(text: string, path: JsonPath): number {
  const tokens = tokensOf(text);
  let at = 0;
  for (const key of path) {
    const child = childOf(tokens, at, key);
    if (child === undefined) break;
    at = child;
  }
  return lineOfOffset(text, tokens[at]?.offset ?? 0);
}

/** The line and column (from 1) at which text stops being JSON; its end where it ends too early. */
export function positionOfSyntaxError(text: string): { line: number; column: number; atEnd: boolean } {
  const before = text.slice(0, offsetOfSyntaxError(text));
  return {
    line: lineOfOffset(text, before.length),
    column: before.length - before.lastIndexOf('\n'),
    atEnd: before.length === text.length,
  };
}

/**
 * The end of the longest beginning that might still go on. `JSON.parse` names it in some of its messages
 * only; in the others it quotes the surroundings, in which beginnings are then tried. Parsing a whole large
 * document again and again would take minutes.
 */
function offsetOfSyntaxError(text: string): number {
  const message = messageOfParsing(text);
  if (message === null || message.includes('end of JSON')) return text.length;
  const offset = /at position (\d+)/.exec(message)?.[1];
  if (offset !== undefined) return Number(offset);
  let [fine, wrong] = quotedRange(text, message);
  while (wrong - fine > 1) {
    const length = (fine + wrong) >> 1;
    if (mayGoOn(text.slice(0, length))) fine = length;
    else wrong = length;
  }
  return fine;
}

/** From the start to one beyond the end of what a message quotes, where that occurs once; else of all text. */
function quotedRange(text: string, message: string): [number, number] {
  const quoted = /, (?:\.{3})?"(.+)"(?:\.{3})? is not valid JSON$/s.exec(message)?.[1];
  const at = quoted === undefined ? -1 : text.indexOf(quoted);
  if (quoted === undefined || at < 0 || text.includes(quoted, at + 1)) return [0, text.length + 1];
  return [at, at + quoted.length + 1];
}

function messageOfParsing(text: string): string | null {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** Whether a beginning of a document has nothing wrong but, perhaps, that it ends. */
function mayGoOn(beginning: string): boolean {
  const message = messageOfParsing(beginning);
  if (message === null) return true;
  const offset = /at position (\d+)/.exec(message)?.[1];
  return offset === undefined ? message.includes('end of JSON') : Number(offset) >= beginning.length;
}

function lineOfOffset(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

interface Token {
  text: string;
  offset: number;
}
type Tokens = readonly Token[];

const punctuation = '{}[],:';

/** The tokens of valid JSON. A loop, as a regular expression's stack overflows on strings of some MB. */
function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; ) {
    const offset = at++;
    const first = text[offset]!;
    if (first.trim() === '') continue;
    if (first === '"') {
      while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
      at++;
    } else if (!punctuation.includes(first)) {
      while (at < text.length && !punctuation.includes(text[at]!) && text[at]!.trim() !== '') at++;
    }
    tokens.push({ text: text.slice(offset, at), offset });
  }
  return tokens;
}

/** The token that starts the value under `key` of the container starting at `start`. */
function childOf(tokens: Tokens, start: number, key: string | number): number | undefined {
  const inObject = tokens[start]?.text === '{';
  if (!inObject && tokens[start]?.text !== '[') return undefined;
  let at = start + 1;
  for (let index = 0; at < tokens.length && tokens[at]!.text !== (inObject ? '}' : ']'); index++) {
    const name = inObject ? JSON.parse(tokens[at]!.text) : index;
    if (inObject) at += 2;
    if (name === key) return at;
    at = afterValue(tokens, at);
    if (tokens[at]?.text === ',') at++;
  }
  return undefined;
}

function afterValue(tokens: Tokens, start: number): number {
  let depth = 0;
  let at = start;
  do {
    const token = tokens[at]?.text;
    if (token === '{' || token === '[') depth++;
    if (token === '}' || token === ']') depth--;
    at++;
  } while (depth > 0 && at < tokens.length);
  return at;
}
