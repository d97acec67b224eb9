import { messageOf, TokenworkError } from '../core/errors.js';
import type { JournalBeginning, JournalEntry, JournalHeader, JournalRow } from './entry.js';
import { badJournal, EntryFile } from './entry-file.js';

/** The journal of a run that ended before its header was written. */
export interface UnmeasuredJournal {
  header: null;
  begun: JournalBeginning;
}

export interface JournalContents {
  path: string;
  header: JournalHeader;
  /** In the order they were written. */
  entries: Iterable<JournalEntry>;
  /** In the order of their ids, each once. */
  rows: Iterable<JournalRow>;
  /** Length of the part that holds whole lines. */
  validBytes: number;
}

/**
 * Reads a journal, whose entries stay on disk (`entry-file.ts`). A last line that was torn by a kill is left out;
 * anything else that does not parse is refused. Throws TokenworkError `no-journal`, `empty-journal`, `bad-journal`.
 */
export function readJournal(path: string): JournalContents {
  const contents = readBegunJournal(path);
  if (contents.header === null) throw emptyJournal(path);
  return contents;
}

/** A journal as `readJournal` reads it, or that of a run which was asked for and of which nothing was measured. */
export function readBegunJournal(path: string): JournalContents | UnmeasuredJournal {
  const entries = opened(path);
  const [first, second] = entries;
  if (first === undefined) throw emptyJournal(path);
  if (first.kind === 'begun' && second === undefined) return { header: null, begun: first };
  const header = first.kind === 'begun' ? second : first;
  if (header?.kind !== 'header') throw badJournal(path, 'it does not begin with a header');
  const { rows, validBytes } = entries;
  return { path, header, entries, rows, validBytes };
}

function opened(path: string): EntryFile {
  try {
    return new EntryFile(path);
  } catch (cause) {
    if (cause instanceof TokenworkError) throw cause;
    throw new TokenworkError(
      'no-journal',
      `There is no unfinished run to resume in ${path}: ${messageOf(cause)}.`,
      'Name the result or the journal (….journal.jsonl) of a run that was cut short.',
      { cause },
    );
  }
}

function emptyJournal(path: string): TokenworkError {
  return new TokenworkError(
    'empty-journal',
    `The run in ${path} ended before anything was measured.`,
    'There is nothing to go on with: start it again, with the same --out if you like.',
  );
}
