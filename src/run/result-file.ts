import { closeSync, fsyncSync, openSync, renameSync, rmSync, type Stats, statSync } from 'node:fs';
import { messageOf, TokenworkError } from '../core/errors.js';
import { type RowwiseResult, resultText } from '../core/json/result-text.js';
import { writeTexts } from '../core/json/write-texts.js';
import { log } from '../core/log.js';

/**
 * Writes a result so that `path` holds either what it held before or all of it: to a temporary name in
 * the same folder, synced, then renamed. Throws TokenworkError `result-unwritable` (exit code 3).
 */
export function writeResult(path: string, result: RowwiseResult): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const file = openSync(temporary, 'w');
    try {
      writeTexts(file, resultText(result));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw new TokenworkError(
      'result-unwritable',
      `${path} cannot be written: ${messageOf(cause)}.`,
      'The journal beside it keeps what was measured. Make room, then finish with --resume.',
      { cause },
    );
  }
}

/** Throws TokenworkError `unwritable-output` where a file lies at `path`. */
export function refuseExistingFile(path: string): void {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return;
  throw new TokenworkError(
    'unwritable-output',
    `${path} cannot be written: a file lies there.`,
    'Name another file with --out, or add --force to replace it.',
  );
}

/**
 * Refuses what a result cannot be put in place of, before anything is measured: renaming a file over
 * `/dev/null` would replace the device. Throws TokenworkError `unwritable-output`.
 */
export function refuseOtherThanFile(path: string): void {
  let found: Stats;
  try {
    found = statSync(path);
  } catch (error) {
    log('the place of the result: %s', error);
    // Not there, or not to be seen: creating the journal beside it says which.
    return;
  }
  if (found.isFile()) return;
  throw new TokenworkError(
    'unwritable-output',
    `${path} is ${found.isDirectory() ? 'a folder' : 'a device'}, and no file that a result can be put into.`,
    'Name a file with --out; `--out -` prints the result.',
  );
}
