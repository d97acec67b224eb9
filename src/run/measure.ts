import { log } from '../core/log.js';
import type { Nanoseconds } from '../core/units.js';
import type { Journal } from '../journal/append.js';
import type { JournalEntry, JournalRow } from '../journal/entry.js';
import type { CpuClock } from '../sensors/linux/cpu-time.js';
import type { PlannedCell } from '../workload/plan.js';
import type { ScheduledRequest } from '../workload/schedule.js';
import type { WorkerPool } from './workers/pool.js';
import type { Limits, SlotOutcome, WindowRule, WorkerSlot } from './workers/slot.js';

export interface Measuring {
  requests: readonly ScheduledRequest[];
  pool: WorkerPool;
  journal: Journal;
  limitsOf(cell: PlannedCell): Limits;
  /** How often each request is repeated, so that counters move enough; null where once is enough. */
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
  const measuresMemory = 'method' in pool.loaded.peakMemory;
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
      journal.append({ kind: 'started', id: request.id });
      const { cell } = request;
      const { model, request: spec } = cell;
      const limits = measuring.limitsOf(cell);
      log('request %d: %s, repetition %d, worker %d', request.id, cell.id, request.repetition, slot.index);
      const outcome = await slot.run(model, spec, limits, measuring.rule);
      const { reply, runs, preparations } = outcome;
      log(
        'request %d: %s, ran %d times',
        request.id,
        reply.status === 'failed' ? reply.code : 'ok',
        runs.length,
      );
      if (stopped && reply.status === 'failed') return;
      journal.append({
        kind: 'request',
        row: rowOf(request, slot.index, outcome, measuresMemory),
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

function rowOf(
  request: ScheduledRequest,
  worker: number,
  { submittedNs, reply }: SlotOutcome,
  measuresMemory: boolean,
): JournalRow {
  const identity = { id: request.id, cell: request.cell.id, repetition: request.repetition, worker };
  if (reply.status === 'failed') {
    const { code, message, times } = reply;
    return {
      ...identity,
      outcome: { status: 'failed', code, message },
      tokens: null,
      times: times && { submitted: submittedNs, ...times },
    };
  }
  const { tokens, times, tokenGapsNs, work, peakMemory, stages } = reply;
  return {
    ...identity,
    outcome: { status: 'ok' },
    tokens,
    times: { submitted: submittedNs, ...times },
    tokenGapsNs,
    work: { ...work, peakMemory },
    // Where the metric as a whole is unavailable, its own reason says so.
    ...(measuresMemory && peakMemory === null && { absent: { peakMemory: 'too-short' as const } }),
    stages,
  };
}
