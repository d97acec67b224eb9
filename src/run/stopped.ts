import { TokenworkError } from '../core/errors.js';
import type { BenchOptions } from './options.js';

/** Throws TokenworkError `interrupted` where the run is to stop before anything is measured. */
export function refuseStopped({ signal, resume }: BenchOptions): void {
  if (signal?.aborted) throw interruptedEarly(undefined, resume);
}

/** `resumed`: what the user named to go on with, where this was not the beginning. */
export function interruptedEarly(cause?: unknown, resumed?: string): TokenworkError {
  return new TokenworkError(
    'interrupted',
    'The run was stopped before a request had finished.',
    resumed === undefined
      ? 'Nothing was measured, and nothing is lost: start it again.'
      : `What was measured before is kept. Go on with: tokenwork bench --resume ${resumed}`,
    { cause },
  );
}
