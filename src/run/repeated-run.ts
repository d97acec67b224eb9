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

/** When a request has run often enough. */
export interface WindowRule {
  /** How long that should take. */
  windowNs: Nanoseconds;
  /** Whether the counters moved often enough since then. */
  hasMoved(sinceNs: Nanoseconds): boolean;
}

/** A counter that stands still must not keep a run from going on: so many times as long as it should take. */
const patience = 4;

/**
 * Runs a request, and again until the counters have moved enough since it first started: they tick too
 * seldom for a single short request. What fails after the first time ends the window before it.
 */
export async function runRepeatedly(
  lane: Lane,
  modelId: string,
  request: RequestSpec,
  limits: Limits,
  rule: WindowRule | null,
  stopped: () => boolean,
): Promise<RepeatedOutcome> {
  const first = await lane.run(modelId, request, limits);
  if (rule === null || first.reply.status === 'failed') return { first, window: null };
  const startedNs = first.reply.times.started;
  let endedNs = endOf(first.reply);
  let cpuTimeNs = first.reply.work.cpuTime;
  let runs = 1;
  const isEnough = () => {
    const lastedNs = endedNs - startedNs;
    return lastedNs >= rule.windowNs && (rule.hasMoved(startedNs) || lastedNs >= patience * rule.windowNs);
  };
  while (!isEnough() && !stopped()) {
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
