import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import envPaths from 'env-paths';
import { otherwise } from '../core/log.js';

/** The folder of built and downloaded models: TOKENWORK_CACHE, or the user's cache folder. */
export function cacheDirectory(): string {
  return process.env.TOKENWORK_CACHE || envPaths('tokenwork', { suffix: '' }).cache;
}

/**
 * Makes a folder and those above it. Node's own `recursive` never returns where a parent does not exist
 * and cannot be made (below /proc), and reports a read-only disk as a missing folder.
 */
export async function makeDirectories(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' && dirname(path) !== path) {
      await makeDirectories(dirname(path));
      await mkdir(path).catch((again) => throwUnlessDirectory(path, again));
    } else {
      await throwUnlessDirectory(path, cause);
    }
  }
}

async function throwUnlessDirectory(path: string, cause: unknown): Promise<void> {
  const found = await stat(path).catch(otherwise(null, 'looking for a folder'));
  if (!found?.isDirectory()) throw cause;
}
