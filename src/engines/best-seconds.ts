import { setImmediate } from 'node:timers/promises';

const leastRepeats = 3;

/** The shortest of as many runs as fit into `budgetSeconds`, and at least a few, after a first for nothing. */
export async function bestSeconds(
  run: () => void,
  budgetSeconds: number,
): Promise<{ seconds: number; repeats: number }> {
  run();
  const begunNs = process.hrtime.bigint();
  let best = Number.POSITIVE_INFINITY;
  let repeats = 0;
  while (repeats < leastRepeats || Number(process.hrtime.bigint() - begunNs) < budgetSeconds * 1e9) {
    // Timers and progress of the calling thread get their turn in between.
    await setImmediate();
    best = Math.min(best, secondsOf(run));
    repeats++;
  }
  return { seconds: best, repeats };
}

/** Seconds that `run` takes. */
export function secondsOf(run: () => void): number {
  const startNs = process.hrtime.bigint();
  run();
  return Number(process.hrtime.bigint() - startNs) / 1e9;
}
