import { createHash, randomUUID } from 'node:crypto';
import { constants, copyFileSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { messageOf, TokenworkError } from '../core/errors.js';
import { log } from '../core/log.js';

/**
 * Takes a journal for this process. Returns how to give it back. What a killed process still holds is taken
 * over, by exactly one of those that ask. Where no lock can be made, neither can a journal, and opening it says
 * why. Throws TokenworkError `journal-in-use`.
 */
export function lockJournal(journalPath: string): () => void {
  const path = `${journalPath}.lock`;
  const own = signed(path);
  if (own === null) return () => {};
  try {
    const owner = take(path, own);
    if (owner === null) return () => release(path, own);
    throw new TokenworkError(
      'journal-in-use',
      `The run in ${journalPath} is going on in process ${owner.pid}.`,
      'Wait for it or stop it, or choose another --out.',
    );
  } finally {
    rmSync(own.file, { force: true });
  }
}

/** A lock before it is taken: a file that nobody else knows, complete. */
interface SignedLock {
  file: string;
  content: string;
}

function signed(path: string): SignedLock | null {
  const content = JSON.stringify({
    pid: process.pid,
    started: startOf(process.pid),
    nonce: randomUUID(),
  });
  const file = `${path}.${process.pid}-${randomUUID()}`;
  try {
    writeFileSync(file, content, { flag: 'wx' });
    return { file, content };
  } catch (error) {
    log('no lock for the journal: %s', error);
    return null; // Opening the journal in the same folder fails alike, and says why.
  }
}

/**
 * Takes the lock at `path`; null where it is taken, else its owner, who is running.
 *
 * A lock appears by a hard link, which only one process succeeds in. One that a dead process left is not
 * removed, as another may have put its own there meanwhile: its successor is decided by a lock of its own,
 * named by what the dead lock holds, and then replaces it by a rename. Whoever becomes successor too late finds
 * another lock in its place, and begins anew.
 */
function take(path: string, own: SignedLock): Owner | null {
  for (;;) {
    if (link(own.file, path)) return null;
    const content = read(path);
    if (content === null) continue; // Given back since.
    const owner = ownerOf(content);
    if (isRunning(owner)) return owner;
    const succession = `${path}.${createHash('sha256').update(content).digest('hex').slice(0, 16)}`;
    const rival = take(succession, own);
    if (rival !== null) return rival;
    const isStillDead = read(path) === content;
    if (isStillDead) renameSync(succession, path);
    else rmSync(succession, { force: true });
    if (isStillDead) return null;
  }
}

/** Whether there was nothing at `path` before. */
function link(file: string, path: string): boolean {
  try {
    linkSync(file, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    return copied(file, path); // A file system without hard links.
  }
}

function copied(file: string, path: string): boolean {
  try {
    copyFileSync(file, path, constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function release(path: string, { content }: SignedLock): void {
  if (read(path) === content) rmSync(path, { force: true });
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new TokenworkError(
      'journal-in-use',
      `Whether another process writes to the journal cannot be told: ${messageOf(error)}.`,
      `Remove ${path} if none does, or choose another --out.`,
      { cause: error },
    );
  }
}

interface Owner {
  pid: number;
  /** Tells a process from a later one of the same number; null where the platform does not say. */
  started: string | null;
}

/** A lock that cannot be read is nobody's: no process of ours leaves one unfinished. */
function ownerOf(content: string): Owner {
  try {
    const { pid, started } = JSON.parse(content) as Partial<Owner>;
    return { pid: Number(pid), started: started ?? null };
  } catch (error) {
    log('a lock without an owner: %s', error);
    return { pid: 0, started: null };
  }
}

function isRunning({ pid, started }: Owner): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, under another user. Else there is none, or the number is none of a process.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return startOf(pid) === started;
}

/**
 * Clock ticks from boot to the start of a process (proc(5), field 22 of `stat`). One that has ended is not there any
 * more, although a container whose first process reaps no others lists it for ever.
 */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold spaces and parentheses of its own.
    const fieldsFromThird = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fieldsFromThird[0] === 'Z' ? 'ended' : (fieldsFromThird[19] ?? null);
  } catch (error) {
    log('start of process %d: %s', pid, error);
    return null;
  }
}
