import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TokenworkError } from '../../core/errors.js';
import { markUse } from '../cache/uses.js';
import { makeFolderOnce } from './atomic-folder.js';
import type { OnBytes } from './synced-file.js';

const progressEveryMs = 250;

/** A model folder to be written. */
interface Blueprint {
  /** Name of the model, for people. */
  name: string;
  /** Message while it is built. */
  message: string;
  target: string;
  /** Writes the weights into the folder, and returns the files beside them, by name. */
  write: (directory: string, onBytes: OnBytes) => Promise<Record<string, unknown>>;
}

export interface BuildWatch {
  onProgress?: (progress: { fraction: number; message: string }) => void;
  signal?: AbortSignal;
}

/**
 * Writes the folder where it is not there yet, and returns its path.
 * Throws TokenworkError `disk-full`, `cache-unwritable` or `aborted`.
 */
export async function buildFolder(blueprint: Blueprint, { onProgress, signal }: BuildWatch): Promise<string> {
  const { name, message } = blueprint;
  let reportedAt = performance.now();
  const onBytes = (written: number, total: number) => {
    throwIfAborted(signal, name);
    const now = performance.now();
    if (now - reportedAt < progressEveryMs && written < total) return;
    reportedAt = now;
    onProgress?.({ fraction: written / total, message });
  };
  const { target } = blueprint;
  await markUse(dirname(dirname(target)), target);
  return makeFolderOnce(target, async (directory) => {
    throwIfAborted(signal, name);
    const files = await blueprint.write(directory, onBytes);
    for (const [file, content] of Object.entries(files)) {
      await writeFile(join(directory, file), `${JSON.stringify(content)}\n`, { flush: true });
    }
  });
}

function throwIfAborted(signal: AbortSignal | undefined, name: string): void {
  if (!signal?.aborted) return;
  throw new TokenworkError('aborted', `Building ${name} was stopped.`, 'Nothing half-built was kept.', {
    cause: signal.reason,
  });
}
