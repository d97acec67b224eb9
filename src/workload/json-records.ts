import type { TokenworkError } from '../core/errors.js';

/** A value of JSON in a file, as text, with the line it begins on. */
export interface JsonRecord {
  text: string;
  line: number;
}

/** The form of a file: a value a line, or one document, whose elements are the values where it is an array. */
export type JsonForm = 'lines' | 'document';

/** Characters of one prompt: more than any model reads, and few enough for memory. */
const mostOfPrompt = 2 ** 24;

/**
 * The values of a file, each as soon as it has been read, so that a file may be larger than memory. A file of lines that
 * begins with a bracket is read as an array. Throws what `fail` makes of a value of more than `mostCharacters`, or of an
 * array that does not end.
 */
export async function* jsonRecords(
  chunks: AsyncIterable<string>,
  form: JsonForm,
  fail: (line: number, problem: string) => TokenworkError,
  mostCharacters = mostOfPrompt,
): AsyncGenerator<JsonRecord> {
  let splitter: Splitter | null = null;
  let [pending, line] = ['', 1];
  for await (const chunk of chunks) {
    if (splitter === null) {
      const first = /\S/.exec(pending + chunk)?.[0];
      if (first !== undefined)
        splitter = first === '[' ? new Elements() : form === 'lines' ? lines : document;
    }
    const { values, rest, line: next } = (splitter ?? document).split(pending, chunk, line);
    yield* values;
    [pending, line] = [rest, next];
    if (pending.length > mostCharacters) {
      const most = mostCharacters.toLocaleString('en');
      throw fail(line, `it goes on for more than ${most} characters`);
    }
  }
  if (splitter instanceof Elements && !splitter.ended)
    throw fail(line, 'the array that it begins does not end');
  if (pending.trim() !== '') yield { text: pending, line: line + blankLines(pending) };
}

interface Splitter {
  /** The values that `pending`, which has been seen before, and the chunk after it complete, and what is left of them. */
  split(pending: string, chunk: string, line: number): { values: JsonRecord[]; rest: string; line: number };
}

const document: Splitter = {
  split: (pending, chunk, line) => ({ values: [], rest: pending + chunk, line }),
};

const lines: Splitter = {
  split(pending, chunk, line) {
    const parts = (pending + chunk).split('\n');
    const rest = parts.pop()!;
    const values = parts.map((text, index) => ({ text, line: line + index }));
    return { values: values.filter(({ text }) => text.trim() !== ''), rest, line: line + parts.length };
  },
};

/** Splits an array into its elements, without checking them: a bracket within an element is no end of the array. */
class Elements implements Splitter {
  ended = false;
  private hasElement = false;
  private depth = 0;
  private inString = false;
  private escaped = false;

  split(pending: string, chunk: string, line: number) {
    const text = pending + chunk;
    const values: JsonRecord[] = [];
    if (this.ended) return { values, rest: text, line };
    let [start, startLine] = [0, line];
    const take = (end: number, isLast: boolean) => {
      const own = text.slice(start, end);
      // Between brackets stands nothing; after a comma something must.
      const isNone = isLast && own.trim() === '' && !this.hasElement;
      if (!isNone) values.push({ text: own, line: startLine + blankLines(own) });
      startLine += own.split('\n').length - 1;
      start = end + 1;
      this.hasElement = true;
    };
    for (let at = pending.length; at < text.length; at++) {
      const sign = text[at]!;
      if (this.inString) {
        if (this.escaped) this.escaped = false;
        else if (sign === '\\') this.escaped = true;
        else if (sign === '"') this.inString = false;
      } else if (sign === '"') this.inString = true;
      else if (sign === '[' || sign === '{') {
        if (this.depth++ === 0) {
          startLine += text.slice(start, at).split('\n').length - 1;
          start = at + 1;
        }
      } else if (this.depth === 1 && (sign === ',' || sign === ']')) {
        take(at, sign === ']');
        if (sign === ']') {
          this.ended = true;
          this.depth = 0;
          break;
        }
      } else if (this.depth > 1 && (sign === ']' || sign === '}')) this.depth--;
    }
    return { values, rest: text.slice(start), line: startLine };
  }
}

/** Lines that a text begins with before anything stands on one. */
function blankLines(text: string): number {
  return text.slice(0, text.search(/\S|$/)).split('\n').length - 1;
}
