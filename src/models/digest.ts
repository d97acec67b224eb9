import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { TokenworkError } from '../core/errors.js';
import { log } from '../core/log.js';
import { makeDirectories } from './cache-directory.js';

/** Files below this are hashed faster than a remembered digest is worth. */
const rememberedFromBytes = 64 * 2 ** 20;

interface Remembered {
  files: unknown;
  sha256: string;
}

/**
 * SHA-256 in hexadecimal of the files' bytes one after another (as `cat FILE… | sha256sum` prints it).
 * For large files the digest is remembered in `cacheDirectory` by path, size and times of change.
 * Throws TokenworkError `aborted`.
 */
export async function digestFiles(
  paths: string[],
  options: {
    cacheDirectory: string;
    onProgress?: ((fraction: number) => void) | undefined;
    signal?: AbortSignal | undefined;
  },
): Promise<string> {
  const files = await Promise.all(
    paths.map(async (path) => {
      const { size, mtimeMs, ctimeMs } = await stat(path);
      return { path: resolve(path), size, mtimeMs, ctimeMs };
    }),
  );
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  const key = createHash('sha256').update(files.map(({ path }) => path).join('\0'));
  const memory = join(options.cacheDirectory, 'digests', `${key.digest('hex').slice(0, 32)}.json`);
  const remember = totalBytes >= rememberedFromBytes;
  if (remember) {
    const sha256 = await recall(memory, files);
    if (sha256 !== null) return sha256;
  }

  const hash = createHash('sha256');
  let hashedBytes = 0;
  for (const { path } of files) {
    const stream = createReadStream(path, { highWaterMark: 2 ** 20 });
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (options.signal?.aborted) throw aborted(path, options.signal);
      hash.update(chunk);
      hashedBytes += chunk.length;
      options.onProgress?.(hashedBytes / totalBytes);
    }
  }
  const sha256 = hash.digest('hex');
  if (remember) await store(memory, { files, sha256 });
  return sha256;
}

async function recall(memory: string, files: object[]): Promise<string | null> {
  try {
    const remembered = JSON.parse(await readFile(memory, 'utf8')) as Remembered;
    return JSON.stringify(remembered.files) === JSON.stringify(files) ? remembered.sha256 : null;
  } catch (error) {
    log('remembered digest: %s', error);
    // Not there yet, or damaged: either way the files are hashed again.
    return null;
  }
}

async function store(memory: string, remembered: Remembered): Promise<void> {
  try {
    await makeDirectories(dirname(memory));
    const unfinished = `${memory}.${process.pid}`;
    await writeFile(unfinished, JSON.stringify(remembered));
    await rename(unfinished, memory);
  } catch (error) {
    log('digest is not remembered: %s', error);
    // A cache that cannot be written costs the next run some seconds; this run has its digest.
  }
}

function aborted(path: string, signal: AbortSignal): TokenworkError {
  return new TokenworkError('aborted', `Reading ${path} was stopped.`, 'Run the command again.', {
    cause: signal.reason,
  });
}
