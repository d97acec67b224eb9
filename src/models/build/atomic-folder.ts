import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { messageOf, TokenworkError } from '../../core/errors.js';
import { otherwise } from '../../core/log.js';
import { makeDirectories } from '../cache-directory.js';

/** Beginning of the names of folders that are not whole: being built, or being removed. */
export const unfinishedPrefix = '.building-';
/** A build of another machine on a shared disk counts as dead after this. */
const abandonedAfterMs = 24 * 60 * 60 * 1000;

/**
 * The folder `target`, made by `fill` where it does not exist yet. `fill` works in a folder beside it that
 * is renamed when done, so `target` is complete or absent: a build that is killed leaves nothing that is
 * later used, and of two at once the first to finish wins. Throws TokenworkError `disk-full` or
 * `cache-unwritable`, and whatever `fill` throws.
 */
export async function makeFolderOnce(
  target: string,
  fill: (directory: string) => Promise<void>,
): Promise<string> {
  if (await isDirectory(target)) return target;
  const parent = dirname(target);
  try {
    await makeDirectories(parent);
    await removeDeadBuilds(parent);
    const temporary = unfinishedBeside(target);
    await mkdir(temporary);
    try {
      await fill(temporary);
      await syncDirectory(temporary);
      await renameUnlessThere(temporary, target);
      await syncDirectory(parent);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
    return target;
  } catch (cause) {
    throw explained(cause, parent);
  }
}

async function renameUnlessThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (cause) {
    // Another build has won the race. The code differs by platform, so look instead of matching it.
    if (!(await isDirectory(to))) throw cause;
  }
}

async function removeDeadBuilds(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(unfinishedPrefix)) continue;
    const path = join(parent, name);
    if (await isAbandoned(path)) await rm(path, { recursive: true, force: true });
  }
}

/** A new name beside `target` for what is not whole, which says who works on it. */
export function unfinishedBeside(target: string): string {
  return join(dirname(target), `${unfinishedPrefix}${signed(basename(target))}`);
}

/** A name with this process in it, as `isAbandoned` reads it. */
export function signed(name: string): string {
  return [name, machine(), process.pid, randomBytes(4).toString('hex')].join('@');
}

/** Whether the process that `signed` the name of a file or folder has ended. */
export async function isAbandoned(path: string): Promise<boolean> {
  const [, host, pid] = basename(path).split('@');
  if (host === machine()) return !isAlive(Number(pid));
  return Date.now() - (await stat(path)).mtimeMs > abandonedAfterMs;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    // EPERM: it lives, under another user.
    return codeOf(cause) !== 'ESRCH';
  }
}

function machine(): string {
  return hostname().replaceAll(/[^\w.-]/g, '_');
}

export async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then((found) => found.isDirectory(), otherwise(false, 'looking for a folder'));
}

/** Makes a rename or a new entry durable, where the platform can open a directory at all. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function explained(cause: unknown, parent: string): unknown {
  switch (codeOf(cause)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new TokenworkError(
        'disk-full',
        `The disk of ${parent} is full; the half-built model has been removed.`,
        'Free some space, or set TOKENWORK_CACHE to a folder on another disk.',
        { cause },
      );
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOENT':
    case 'ENOTDIR':
    case 'EEXIST':
      return new TokenworkError(
        'cache-unwritable',
        `The model cache ${parent} cannot be written: ${messageOf(cause)}.`,
        'Set TOKENWORK_CACHE to a folder you may write to.',
        { cause },
      );
    default:
      return cause;
  }
}

function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
}
