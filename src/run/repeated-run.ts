import type { Nanoseconds } from '../core/units.js';
import type { RequestSpec } from '../workload/plan.js';
import type { JournalEntry } from './journal-entry.js';
import type { Lane, LaneOutcome, Limits } from './lane.js';

type RequestWindow = NonNullable<Extract<JournalEntry, { kind: 'request' }>['window']>;

export interface RepeatedOutcome {
  /** Of the first time. */
  first: LaneOutcome;
  /** From the first start to the last end, where it ran more than once. */
  window: RequestWindow | null;
}

/**
 * Runs a request, and again until `windowNs` has passed since it first started: counters of energy tick
 * too seldom for a single short request. What fails after the first time ends the window before it.
 */
export async function runRepeatedly(
  lane: Lane,
  modelId: string,
  request: RequestSpec,
  limits: Limits,
  windowNs: Nanoseconds | null,
  stopped: () => boolean,
): Promise<RepeatedOutcome> {
  const first = await lane.run(modelId, request, limits);
  if (windowNs === null || first.reply.status === 'failed') return { first, window: null };
  const startedNs = first.reply.times.started;
  let endedNs = endOf(first.reply);
  let cpuTimeNs = first.reply.work.cpuTime;
  let runs = 1;
  while (endedNs - startedNs < windowNs && !stopped()) {
    const { reply } = await lane.run(modelId, request, limits);
    if (reply.status === 'failed') break;
    runs++;
    endedNs = endOf(reply);
    cpuTimeNs = cpuTimeNs === null || reply.work.cpuTime === null ? null : cpuTimeNs + reply.work.cpuTime;
  }
  return { first, window: runs === 1 ? null : { runs, endedNs, cpuTimeNs } };
}

type FinishedReply = Extract<LaneOutcome['reply'], { status: 'ok' }>;

/** When the last of its stages ended. */
function endOf({ times, stages }: Pick<FinishedReply, 'times' | 'stages'>): Nanoseconds {
  return Math.max(times.lastToken, ...stages.map((stage) => stage.times.ended));
}
