import type { Nanoseconds } from '../core/units.js';
import type { ScheduledRequest } from '../workload/schedule.js';
import type { BenchOptions, BenchPhase } from './options.js';

/** Telling is work of the coordinating thread, beside the requests that are measured: not too often. */
const tellEveryNs = 200_000_000;

/** Says that a phase other than measuring goes on. */
export function tell(
  onProgress: BenchOptions['onProgress'],
  phase: BenchPhase,
  message: string,
  fraction: number | null = null,
): void {
  onProgress?.({ phase, message, fraction, done: 0, total: 0, etaNs: null });
}

/** Says what is worth a line of its own that stays. */
export function tellNote(onProgress: BenchOptions['onProgress'], phase: BenchPhase, note: string): void {
  onProgress?.({ phase, message: note, fraction: null, done: 0, total: 0, etaNs: null, note });
}

/**
 * Tells the progress of measuring. Time left is what the remaining requests are expected to take, by
 * their roofline time, at the pace of those that are done.
 */
export function measuringProgress(
  requests: readonly ScheduledRequest[],
  expectedNs: (request: ScheduledRequest) => Nanoseconds,
  now: () => Nanoseconds,
  onProgress: BenchOptions['onProgress'],
): (finished: ScheduledRequest) => void {
  if (!onProgress) return () => {};
  const startedNs = now();
  const total = requests.length;
  let remainingNs = requests.reduce((sum, request) => sum + expectedNs(request), 0);
  let finishedNs = 0;
  let done = 0;
  let toldNs = Number.NEGATIVE_INFINITY;
  return (finished) => {
    done++;
    finishedNs += expectedNs(finished);
    remainingNs -= expectedNs(finished);
    const atNs = now();
    if (done < total && atNs - toldNs < tellEveryNs) return;
    toldNs = atNs;
    const etaNs = Math.max(0, ((atNs - startedNs) * remainingNs) / finishedNs);
    onProgress({ phase: 'measuring', message: finished.cell.id, fraction: done / total, done, total, etaNs });
  };
}
