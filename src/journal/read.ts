import { readFileSync } from 'node:fs';
import { messageOf, TokenworkError } from '../core/errors.js';
import { describeIssue, firstIssue } from '../core/schema-issue.js';
import { plainStrings } from '../core/text.js';
import { entrySchema, type JournalBeginning, type JournalEntry, type JournalHeader } from './entry.js';

/** The journal of a run that ended before its header was written. */
export interface UnmeasuredJournal {
  header: null;
  begun: JournalBeginning;
}

export interface JournalContents {
  path: string;
  header: JournalHeader;
  /** In the order they were written. */
  entries: JournalEntry[];
  /** Length of the part that holds whole lines. */
  validBytes: number;
}

/**
 * Reads a journal. A last line that was torn by a kill is left out; anything else that does not parse is
 * refused. Throws TokenworkError `no-journal`, `empty-journal`, `bad-journal`.
 */
export function readJournal(path: string): JournalContents {
  const contents = readBegunJournal(path);
  if (contents.header === null) throw emptyJournal(path);
  return contents;
}

/** A journal as `readJournal` reads it, or that of a run which was asked for and of which nothing was measured. */
export function readBegunJournal(path: string): JournalContents | UnmeasuredJournal {
  let text: Buffer;
  try {
    text = readFileSync(path);
  } catch (cause) {
    throw new TokenworkError(
      'no-journal',
      `There is no unfinished run to resume in ${path}: ${messageOf(cause)}.`,
      'Name the result or the journal (….journal.jsonl) of a run that was cut short.',
      { cause },
    );
  }
  const validBytes = text.lastIndexOf('\n') + 1;
  const lines = text.toString('utf8', 0, validBytes).split('\n').slice(0, -1);
  const entries = lines.map((line, index) => parseEntry(line, `${path}, line ${index + 1}`));
  const [first, second] = entries;
  if (first === undefined) throw emptyJournal(path);
  if (first.kind === 'begun' && second === undefined) return { header: null, begun: first };
  const header = first.kind === 'begun' ? second : first;
  if (header?.kind !== 'header') throw badJournal(path, 'it does not begin with a header');
  return { path, header, entries, validBytes };
}

function emptyJournal(path: string): TokenworkError {
  return new TokenworkError(
    'empty-journal',
    `The run in ${path} ended before anything was measured.`,
    'There is nothing to go on with: start it again, with the same --out if you like.',
  );
}

function parseEntry(line: string, where: string): JournalEntry {
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

function badJournal(where: string, why: string, cause?: unknown): TokenworkError {
  return new TokenworkError(
    'bad-journal',
    `${where} is not a journal of a run: ${why}.`,
    'Resume from the file as tokenwork wrote it, or measure again.',
    { cause },
  );
}
