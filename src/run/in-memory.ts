import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitCode } from '../core/codes.js';
import { TokenworkError } from '../core/errors.js';
import type { Result } from '../core/result.js';
import { runBench } from './bench.js';
import type { BenchOptions } from './options.js';

/**
 * Runs as `runBench` does and leaves no file. Meanwhile all lies in a folder below the system's for temporary
 * files, where it stays if the run is cut short, so that it can be resumed from the path that the error names.
 * Throws what `runBench` throws.
 */
export async function runInMemory(
  options: Omit<BenchOptions, 'out'>,
): Promise<{ result: Result; path: null }> {
  if (options.resume !== undefined) {
    throw new TokenworkError(
      'bad-option',
      'resume goes on in the files of a run, and out: false leaves none.',
      'Leave out one of them.',
    );
  }
  const folder = mkdtempSync(join(tmpdir(), 'tokenwork-run-'));
  let resumable = false;
  try {
    const { result } = await runBench({ ...options, out: join(folder, 'result.json') });
    return { result, path: null };
  } catch (thrown) {
    resumable = thrown instanceof TokenworkError && thrown.exitCode === exitCode.incomplete;
    throw thrown;
  } finally {
    if (!resumable) rmSync(folder, { recursive: true, force: true });
  }
}
