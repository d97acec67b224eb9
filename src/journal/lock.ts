import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { TokenworkError } from '../core/errors.js';
import { log } from '../core/log.js';

/**
 * Takes a journal for this process, as two that append to it would overwrite each other's lines. Returns
 * how to give it back. What a killed process still holds is taken over. Where no lock can be made, neither
 * can a journal, and opening it says why. Throws TokenworkError `journal-in-use`.
 */
export function lockJournal(journalPath: string): () => void {
  const path = `${journalPath}.lock`;
  if (!makeLock(path)) {
    const owner = readOwner(path);
    if (isRunning(owner)) {
      throw new TokenworkError(
        'journal-in-use',
        `The run in ${journalPath} is going on in process ${owner.pid}.`,
        'Wait for it or stop it, or choose another --out.',
      );
    }
    rmSync(path, { force: true });
    makeLock(path);
  }
  return () => rmSync(path, { force: true });
}

/** Whether there was no lock before. */
function makeLock(path: string): boolean {
  try {
    const file = openSync(path, 'wx');
    try {
      writeFileSync(file, JSON.stringify({ pid: process.pid, started: startOf(process.pid) }));
    } finally {
      closeSync(file);
    }
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EEXIST';
  }
}

interface Owner {
  pid: number;
  /** Tells a process from a later one of the same number; null where the platform does not say. */
  started: string | null;
}

/** Its maker was killed before it could sign a lock that cannot be read: nobody's. */
function readOwner(path: string): Owner {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Owner;
  } catch (error) {
    log('lock %s cannot be read: %s', path, error);
    return { pid: 0, started: null };
  }
}

function isRunning({ pid, started }: Owner): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, under another user.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return startOf(pid) === started;
}

/** Clock ticks from boot to the start of a process (proc(5), field 22 of `stat`). */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold spaces and parentheses of its own.
    const fieldsFromThird = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fieldsFromThird[19] ?? null;
  } catch (error) {
    log('start of process %d: %s', pid, error);
    return null;
  }
}
