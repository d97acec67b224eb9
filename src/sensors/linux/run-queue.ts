import { log } from '../../core/log.js';
import type { Nanoseconds } from '../../core/units.js';
import { openCounterFile } from './counter-file.js';

/**
 * Time that threads were ready to run and waited for a core: the second figure of schedstat (proc(5)), of this
 * thread and of those in `threadIds`. Null where the kernel does not tell.
 */
export function openRunQueueWait(threadIds: readonly number[]): (() => Nanoseconds) | null {
  try {
    const files = ['/proc/thread-self', ...threadIds.map((id) => `/proc/self/task/${id}`)].map((thread) =>
      openCounterFile(`${thread}/schedstat`),
    );
    const read = () => files.reduce((sum, file) => sum + waitOf(file.text()), 0);
    read();
    return read;
  } catch (error) {
    log('run-queue wait: %s', error);
    return null;
  }
}

/** The waiting time in ns of a schedstat file: `RUN WAIT SLICES`. Throws for anything else. */
export function waitOf(schedstat: string): Nanoseconds {
  const wait = /^\d+ (\d+) \d+\s*$/.exec(schedstat)?.[1];
  if (wait === undefined) throw new Error(`schedstat holds ${JSON.stringify(schedstat)}`);
  return Number(wait);
}
