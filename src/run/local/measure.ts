import { log } from '../../core/log.js';
import type { Nanoseconds } from '../../core/units.js';
import type { Journal } from '../../journal/append.js';
import type { JournalEntry } from '../../journal/entry.js';
import type { CpuClock } from '../../sensors/linux/cpu-time.js';
import type { PlannedCell } from '../../workload/plan.js';
import type { ScheduledRequest } from '../../workload/schedule.js';
import type { WorkerPool } from '../workers/pool.js';
import type { Limits, WindowRule, WorkerSlot } from '../workers/slot.js';

export interface Measuring {
  requests: readonly ScheduledRequest[];
  pool: WorkerPool;
  journal: Journal;
  limitsOf(cell: PlannedCell): Limits;
  /** The rule by which each request is repeated, so that counters move enough; null where once is enough. */
  rule: WindowRule | null;
  cpuClock: CpuClock;
  /** On the run's clock. */
  now(): Nanoseconds;
  signal: AbortSignal | undefined;
  onFinished(request: ScheduledRequest): void;
}

/**
 * Runs the requests in order, each as soon as a worker is free, and journals each as soon as it has
 * finished. Returns when all have, or when the signal has stopped it; a request that was running then is
 * not journalled, so that resuming runs it again. Throws what the journal or a worker that does not start
 * again throws, after the other requests have been stopped.
 */
export async function measure(measuring: Measuring): Promise<void> {
  const { requests, pool, journal, cpuClock, now, signal } = measuring;
  const startedCpuNs = cpuClock.processNs();
  const processCpuNs = () => cpuClock.processNs() - startedCpuNs;
  let next = 0;
  let stopped = signal?.aborted ?? false;
  const stop = () => {
    stopped = true;
    pool.stop();
  };
  signal?.addEventListener('abort', stop);

  const runSlot = async (slot: WorkerSlot) => {
    while (!stopped && next < requests.length) {
      const request = requests[next++]!;
      const { id, cell, repetition } = request;
      const worker = slot.index;
      journal.append({ kind: 'started', id });
      log('request %d: %s, repetition %d, worker %d', id, cell.id, repetition, worker);
      const limits = measuring.limitsOf(cell);
      const { row, runs, preparations } = await slot.run(cell.model, cell.request, limits, measuring.rule);
      const { outcome } = row;
      log('request %d: %s, ran %d times', id, outcome.status === 'failed' ? outcome.code : 'ok', runs.length);
      if (stopped && outcome.status === 'failed') return;
      journal.append({
        kind: 'request',
        row: { id, cell: cell.id, repetition, worker, ...row },
        processCpuNs: processCpuNs(),
        endedNs: now(),
        ...(runs.length > 1 && { runs }),
        ...(preparations.length > 0 && { preparations }),
      });
      measuring.onFinished(request);
    }
  };
  try {
    const slots = pool.slots.map((slot) =>
      runSlot(slot).catch((thrown) => {
        stop();
        throw thrown;
      }),
    );
    const failed = (await Promise.allSettled(slots)).find((slot) => slot.status === 'rejected');
    endSegment(journal, { kind: 'ended', atNs: now(), processCpuNs: processCpuNs() }, failed !== undefined);
    if (failed) throw failed.reason;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** Journals the end; where something has failed already, that is what is to be told, not this. */
function endSegment(journal: Journal, ended: JournalEntry, hasFailed: boolean): void {
  try {
    journal.append(ended);
  } catch (thrown) {
    if (!hasFailed) throw thrown;
  }
}
