import type { Nanoseconds } from '../core/units.js';
import type { ImportedRun, KeptRequest } from './imported.js';

/** When each request was submitted, on one clock that begins with the first of them. */
export interface Placement {
  /** By run, and in each by time. */
  order: readonly KeptRequest[];
  /** Of each in that order, ns since the first. */
  submittedNs: readonly Nanoseconds[];
  durationNs: Nanoseconds;
  /** Most requests in flight; where the file has no times, what it says, or the mean by Little's law. */
  concurrency: number;
  /** Epoch milliseconds. */
  startedMs: number;
  /** Whether the file says so. */
  hasTimeOfDay: boolean;
}

/** Runs whose requests have epoch times keep them; others, each on a clock of its own, are put one after another. */
export function placeRuns(
  kept: readonly KeptRequest[],
  runs: readonly ImportedRun[],
  writtenMs: number,
): Placement {
  const ofRun = new Map<ImportedRun, KeptRequest[]>(runs.map((run) => [run, []]));
  for (const request of kept) ofRun.get(request.run)!.push(request);
  const epoch = kept.reduce(
    (least, { run, atNs }) => (run.startedAt === 'times' ? Math.min(least, atNs) : least),
    Number.POSITIVE_INFINITY,
  );
  const order: KeptRequest[] = [];
  const submittedNs: number[] = [];
  let cursor = 0;
  let durationNs = 0;
  let concurrency = 0;
  for (const [run, requests] of ofRun) {
    requests.sort((a, b) => a.atNs - b.atNs);
    const offset = run.startedAt === 'times' ? -epoch : cursor - requests[0]!.atNs;
    let end = cursor;
    for (const request of requests) {
      const submitted = request.atNs + offset;
      order.push(request);
      submittedNs.push(submitted);
      end = Math.max(end, submitted + lengthOf(request));
    }
    cursor = run.durationNs === null ? end : Math.max(end, cursor + run.durationNs);
    durationNs = Math.max(durationNs, cursor);
    concurrency = Math.max(concurrency, concurrencyOf(run, requests));
  }
  const known = runs.flatMap(({ startedAt }) => (typeof startedAt === 'number' ? [startedAt] : []));
  const firstMs = Math.min(...known, epoch / 1e6);
  const hasTimeOfDay = Number.isFinite(firstMs);
  const startedMs = hasTimeOfDay ? firstMs : writtenMs - durationNs / 1e6;
  return { order, submittedNs, durationNs, concurrency, startedMs, hasTimeOfDay };
}

function concurrencyOf({ durationNs, concurrency }: ImportedRun, requests: readonly KeptRequest[]): number {
  if (durationNs === null) return mostInFlight(requests);
  if (concurrency !== null && concurrency > 0) return concurrency;
  const busy = requests.reduce((sum, request) => sum + lengthOf(request), 0);
  return Math.max(1, Math.round(busy / durationNs));
}

/** Where one ends when another begins, the two are not in flight together. */
function mostInFlight(requests: readonly KeptRequest[]): number {
  const begins = Float64Array.from(requests, ({ atNs }) => atNs).sort();
  const ends = Float64Array.from(requests, (request) => request.atNs + lengthOf(request)).sort();
  let [most, ended] = [1, 0];
  for (const [index, begin] of begins.entries()) {
    while (ends[ended]! <= begin) ended++;
    most = Math.max(most, index + 1 - ended);
  }
  return most;
}

function lengthOf({ outcome }: KeptRequest): number {
  return outcome.status === 'ok' ? outcome.times.ended : 0;
}
