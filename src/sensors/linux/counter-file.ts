import { closeSync, openSync, readSync } from 'node:fs';
import { messageOf } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { AbsenceReason } from '../../core/work.js';

/**
 * A file of procfs or sysfs, whose content the kernel writes anew whenever it is read from its start.
 * Kept open: opening costs more than reading, and a file may be opened by root and read after.
 */
export interface CounterFile {
  readonly path: string;
  text(): string;
  /** The whole file as one non-negative integer. Throws on anything else. */
  integer(): number;
  close(): void;
}

export function openCounterFile(path: string): CounterFile {
  const descriptor = openSync(path, 'r');
  const buffer = Buffer.allocUnsafe(16384);
  const text = () => buffer.toString('latin1', 0, readSync(descriptor, buffer, 0, buffer.length, 0));
  return {
    path,
    text,
    integer() {
      const content = text().trim();
      if (!/^\d+$/.test(content)) throw new Error(`${path} holds ${JSON.stringify(content)}, no count`);
      return Number(content);
    },
    close: () => closeSync(descriptor),
  };
}

/** Opens the file where it is there and readable. */
export function tryCounterFile(path: string): CounterFile | null {
  let file: CounterFile;
  try {
    file = openCounterFile(path);
  } catch (error) {
    log('counter file: %s', error);
    return null;
  }
  try {
    file.text();
    return file;
  } catch (error) {
    log('counter file %s: %s', path, error);
    file.close(); // sysfs answers EIO, ENODEV or EOPNOTSUPP on reading what the hardware lacks.
    return null;
  }
}

/** Why a file could not be opened or read, by the error that the system answered. */
export function refusal(error: unknown): { reason: AbsenceReason; message: string } {
  const code = (error as NodeJS.ErrnoException)?.code;
  return {
    reason: code === 'EACCES' || code === 'EPERM' ? 'permission' : 'unsupported',
    message: messageOf(error),
  };
}
