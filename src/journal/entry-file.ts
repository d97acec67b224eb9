import { closeSync, openSync, readSync } from 'node:fs';
import { messageOf, TokenworkError } from '../core/errors.js';
import { describeIssue, firstIssue } from '../core/json/schema-issue.js';
import { plainStrings } from '../core/text.js';
import { entrySchema, type JournalEntry, type JournalRow } from './entry.js';

/** How the line of a request begins. */
const requestLine = '{"kind":"request",';

/** Where a line lies in a file. */
interface Line {
  text: string;
  offset: number;
  bytes: number;
}

/**
 * The entries of a journal as they lie on disk: each time that they are gone through they are read again, as those of
 * a long run fill more memory than there is. Those of requests
 * are checked once, when the file is opened. What is appended meanwhile is not among them.
 */
export class EntryFile implements Iterable<JournalEntry> {
  readonly path: string;
  /** Length of the part that holds whole lines: a last one that a kill has torn is left out. */
  readonly validBytes: number;
  /** The rows of requests in the order of their ids. Of two rows of one request, which cannot be, the first counts. */
  readonly rows: Iterable<JournalRow>;

  /** Throws TokenworkError `bad-journal` where a line is no entry, and what reading files throws. */
  constructor(path: string) {
    this.path = path;
    const placed = new Map<number, Omit<Line, 'text'>>();
    let validBytes = 0;
    let number = 0;
    for (const { text, offset, bytes } of linesOf(path, Number.POSITIVE_INFINITY)) {
      number++;
      const entry = checkedEntry(text, `${path}, line ${number}`);
      validBytes = offset + bytes;
      if (entry.kind === 'request' && !placed.has(entry.row.id)) placed.set(entry.row.id, { offset, bytes });
    }
    this.validBytes = validBytes;
    const inOrder = [...placed].sort(([a], [b]) => a - b).map(([, place]) => place);
    this.rows = { [Symbol.iterator]: () => rowsAt(path, inOrder) };
  }

  *[Symbol.iterator](): Generator<JournalEntry> {
    for (const { text, offset } of linesOf(this.path, this.validBytes))
      yield text.startsWith(requestLine)
        ? knownEntry(text)
        : checkedEntry(text, `${this.path}, byte ${offset}`);
  }
}

function* rowsAt(path: string, places: readonly Omit<Line, 'text'>[]): Generator<JournalRow> {
  const file = openSync(path, 'r');
  try {
    let buffer = Buffer.allocUnsafe(2 ** 16);
    for (const { offset, bytes } of places) {
      if (buffer.length < bytes) buffer = Buffer.allocUnsafe(2 * bytes);
      const read = readSync(file, buffer, 0, bytes, offset);
      const entry = knownEntry(buffer.toString('utf8', 0, read));
      if (entry.kind === 'request') yield entry.row;
    }
  } finally {
    closeSync(file);
  }
}

const chunkBytes = 2 ** 20;
const lineFeed = 0x0a;

/** The whole lines of a file up to a byte. */
function* linesOf(path: string, untilByte: number): Generator<Line> {
  const file = openSync(path, 'r');
  try {
    let buffer = Buffer.allocUnsafe(chunkBytes);
    /** Bytes at the beginning of the buffer of a line that is not read to its end, and their place in the file. */
    let [held, offset] = [0, 0];
    for (;;) {
      if (held === buffer.length) buffer = Buffer.concat([buffer], 2 * buffer.length);
      const room = Math.min(buffer.length - held, untilByte - offset - held);
      const read = room > 0 ? readSync(file, buffer, held, room, offset + held) : 0;
      if (read === 0) return;
      const filled = buffer.subarray(0, held + read);
      let start = 0;
      for (let end = filled.indexOf(lineFeed, held); end >= 0; end = filled.indexOf(lineFeed, start)) {
        const bytes = end + 1 - start;
        yield { text: filled.toString('utf8', start, end), offset: offset + start, bytes };
        start = end + 1;
      }
      buffer.copyWithin(0, start, filled.length);
      held = filled.length - start;
      offset += start;
    }
  } finally {
    closeSync(file);
  }
}

/** The entry of a line that was checked. */
const knownEntry = (line: string) => plainStrings(JSON.parse(line)) as JournalEntry;

function checkedEntry(line: string, where: string): JournalEntry {
  let json: unknown;
  try {
    json = plainStrings(JSON.parse(line));
  } catch (cause) {
    throw badJournal(where, messageOf(cause), cause);
  }
  const parsed = entrySchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw badJournal(where, describeIssue(firstIssue(parsed.error)), parsed.error);
}

export function badJournal(where: string, why: string, cause?: unknown): TokenworkError {
  return new TokenworkError(
    'bad-journal',
    `${where} is not a journal of a run: ${why}.`,
    'Resume from the file as tokenwork wrote it, or measure again.',
    { cause },
  );
}
