import koffi from 'koffi';

let stuck = 0;

/**
 * `ended`, or after `stallTimeoutMs` the note that a thread is stuck in native code, as in a driver that does not
 * answer: it cannot be ended, and whoever waits for it waits for ever.
 */
export async function endedOrStuck(ended: Promise<unknown>, stallTimeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const stallTimeout = new Promise<'stuck'>((resolve) => {
    timer = setTimeout(() => resolve('stuck'), stallTimeoutMs);
  });
  if ((await Promise.race([ended, stallTimeout])) === 'stuck') stuck++;
  clearTimeout(timer);
}

/**
 * Leaves the process at once where a thread is stuck, since `process.exit` waits for every thread. Call it
 * when all is written. Returns where none is.
 */
export function leaveStuckThreads(exitCode: number): void {
  if (stuck === 0) return;
  const library = process.platform === 'win32' ? koffi.load('ucrtbase.dll') : koffi.load(null);
  library.func('void _exit(int)')(exitCode);
}
