import {
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { messageOf, TokenworkError } from '../core/errors.js';
import { jsonWithoutHome } from '../core/home.js';
import { log } from '../core/log.js';
import type { JournalBeginning, JournalEntry } from './entry.js';

/** How the line begins that says what a run is asked to do. */
const begunLine = '{"kind":"begun",';
const suffix = '.journal.jsonl';

/** The journal that lies beside a result: `x.json` → `x.json.journal.jsonl`. */
export function journalPathOf(resultPath: string): string {
  return resultPath + suffix;
}

/** The journal that a user means by naming it, or the result it was to become. */
export function journalNamed(path: string): string {
  return path.endsWith(suffix) ? path : journalPathOf(path);
}

export function resultPathOf(journalPath: string): string {
  return journalPath.slice(0, -suffix.length);
}

/**
 * A run's journal: one JSON object a line, each appended with one write as soon as it is known.
 *
 * What was written outlives the process, whatever kills it, once `append` returns: it is in the kernel's
 * page cache. It outlives the machine once it is synced, at most a second later; waiting for the disk
 * after every request would slow down the very requests that are measured.
 */
export class Journal {
  readonly path: string;
  readonly #file: number;
  #bytes: number;
  #holdsRequests = false;
  #syncedAtMs = 0;
  #syncing = false;
  #syncFailure: Error | null = null;

  private constructor(path: string, file: number, bytes: number) {
    this.path = path;
    this.#file = file;
    this.#bytes = bytes;
  }

  /**
   * Opens a new journal, before anything is measured, and writes what the run is asked to do, where that can be told;
   * one that was killed before its header is begun anew. The caller holds its lock. Throws TokenworkError
   * `journal-exists` where an unfinished run left one, `unwritable-output`, and what `append` throws.
   */
  static create(path: string, begun: JournalBeginning | null = null): Journal {
    const journal = Journal.#open(path);
    if (begun !== null) journal.append(begun);
    return journal;
  }

  static #open(path: string): Journal {
    try {
      return new Journal(path, openForAppend(path), 0);
    } catch (cause) {
      if (existsSync(path)) {
        throw new TokenworkError(
          'journal-exists',
          `An unfinished run lies in ${path}.`,
          `Finish it with --resume ${path}, remove it, or choose another --out.`,
          { cause },
        );
      }
      throw new TokenworkError(
        'unwritable-output',
        `${path} cannot be created: ${messageOf(cause)}.`,
        'Choose another place with --out.',
        { cause },
      );
    }
  }

  /** Opens a journal to go on with it; a torn last line is cut off. */
  static reopen(path: string, validBytes: number): Journal {
    try {
      const file = openSync(path, constants.O_WRONLY | constants.O_APPEND);
      if (fstatSync(file).size > validBytes) ftruncateSync(file, validBytes);
      return new Journal(path, file, validBytes);
    } catch (cause) {
      throw new TokenworkError(
        'unwritable-output',
        `${path} cannot be written: ${messageOf(cause)}.`,
        'Check its permissions, or resume from a copy.',
        { cause },
      );
    }
  }

  /** Throws TokenworkError `journal-unwritable` (exit code 3); nothing half-written is left behind. */
  append(entry: JournalEntry): void {
    const line = Buffer.from(`${jsonWithoutHome(JSON.stringify(entry))}\n`);
    try {
      if (this.#syncFailure) throw this.#syncFailure;
      for (let written = 0; written < line.length; ) {
        written += writeSync(this.#file, line, written, line.length - written);
      }
    } catch (cause) {
      this.#cutBack();
      throw new TokenworkError(
        'journal-unwritable',
        `${this.path} cannot be written any more: ${messageOf(cause)}.`,
        `What was measured before lies there. Make room, then go on with --resume ${this.path}.`,
        { cause },
      );
    }
    this.#bytes += line.length;
    if (entry.kind === 'request') this.#holdsRequests = true;
    this.#syncSoon();
  }

  close(): void {
    try {
      fdatasyncSync(this.#file);
    } catch (error) {
      // Not every file can be synced; what was written stays written.
      log('journal is not synced: %s', error);
    }
    closeSync(this.#file);
  }

  /** Closes a journal that is not to go on now; one that no request stands in is removed. */
  abandon(): void {
    if (this.#holdsRequests) this.close();
    else this.remove();
  }

  /** Closes and removes the journal, once its result is safe. */
  remove(): void {
    closeSync(this.#file);
    unlinkSync(this.path);
  }

  #cutBack(): void {
    try {
      ftruncateSync(this.#file, this.#bytes);
    } catch (error) {
      // Reading tolerates a torn last line.
      log('journal is not cut back: %s', error);
    }
  }

  #syncSoon(): void {
    if (this.#syncing || Date.now() - this.#syncedAtMs < 1000) return;
    this.#syncing = true;
    fdatasync(this.#file, (error) => {
      this.#syncing = false;
      this.#syncedAtMs = Date.now();
      // EINVAL: a file that has nothing to sync; EBADF: closed meanwhile, and synced by that.
      if (error && error.code !== 'EINVAL' && error.code !== 'EBADF') this.#syncFailure = error;
    });
  }
}

/** A new file, or one that holds no header yet. Throws the system's `EEXIST` for any other. */
function openForAppend(path: string): number {
  if (holdsHeader(path)) return openSync(path, 'ax');
  const file = openSync(path, 'a');
  ftruncateSync(file, 0);
  return file;
}

/** Whether a file is there and holds a whole line beside what a run was asked to do; not a folder or a device. */
function holdsHeader(path: string): boolean {
  try {
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    return lines.length > 1 || (lines.length === 1 && !lines[0]!.startsWith(begunLine));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}
