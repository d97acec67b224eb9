import { TokenworkError } from '../core/errors.js';
import type { Nanoseconds } from '../core/units.js';
import type { PromptSpec, RequestSpec } from '../stages/request-spec.js';
import { createRandom, deriveSeed, shuffle } from '../stats/random.js';
import type { PlannedCell, TimelineEntry, WorkloadPlan } from './plan.js';
import { idsIn } from './traces/block-ids.js';

export interface ScheduledRequest {
  /** Position in the schedule, from 0. */
  id: number;
  cell: PlannedCell;
  /** Counts the cell's requests from 0; with the cell's id it names a request for good. */
  repetition: number;
  /** When it arrives, from the first request on: in a trace's order, where the trace tells. */
  atNs?: Nanoseconds | undefined;
  /** In a trace's order, what its prompt is made from in place of the cell's. */
  entry?: TimelineEntry | undefined;
}

/**
 * The request as it is run: in a trace's order with a prompt of its own, another one in each round, of which a server's
 * cache would hold all that the rounds before had.
 */
export function requestOf({ cell, repetition, entry }: Omit<ScheduledRequest, 'id' | 'atNs'>): RequestSpec {
  const { prompt } = cell.request;
  if (entry === undefined || prompt.kind !== 'synthetic') return cell.request;
  const { blocks } = entry;
  const round = Math.floor(repetition / cell.count);
  const inRound = (seed: number) => (round === 0 ? seed : deriveSeed(seed, round));
  const own: PromptSpec = { ...prompt, seed: inRound(entry.seed) };
  if (blocks !== null) {
    const ids = idsIn(blocks.ids, Math.ceil(prompt.tokens / blocks.size));
    own.blocks = { ids, size: blocks.size, seed: inRound(entry.blockSeed) };
  }
  return { ...cell.request, prompt: own };
}

export interface ScheduleOptions {
  repetitions: number;
  seed: number;
  /** `trace`: as the plan's timeline has them, where it has one; drawn by seed otherwise. */
  order?: 'drawn' | 'trace' | undefined;
}

/** Twice as many as were tried; each takes some hundred bytes before anything runs. */
const mostRequests = 2_000_000;

/**
 * The requests of a plan in the order they are handed out: `repetitions` rounds, each holding every cell
 * `count` times in an order of its own drawn by seed, so that a drift of the machine falls on all cells
 * alike; or in a trace's order, each round after the last request of the one before as requests are apart on average.
 * The same plan, repetitions, seed and order give the same schedule, which is what resuming rests on.
 *
 * Without `atNs` it is closed-loop: a request starts when a worker is free. Throws TokenworkError `too-many-requests`.
 */
export function schedule(
  plan: Pick<WorkloadPlan, 'cells' | 'timeline'>,
  { repetitions, seed, order = 'drawn' }: ScheduleOptions,
): ScheduledRequest[] {
  const requests = repetitions * plan.cells.reduce((sum, { count }) => sum + count, 0);
  if (requests > mostRequests) {
    throw new TokenworkError(
      'too-many-requests',
      `${requests.toLocaleString('en')} requests are asked for; a run holds ${mostRequests.toLocaleString('en')} at most.`,
      'Ask for fewer repetitions or draws, or limit the trace.',
    );
  }
  if (order === 'trace' && plan.timeline !== undefined)
    return inTraceOrder(plan.cells, plan.timeline, repetitions);
  const random = createRandom(seed);
  const scheduled: ScheduledRequest[] = [];
  for (let round = 0; round < repetitions; round++) {
    const inOrder = plan.cells.flatMap((cell) =>
      Array.from({ length: cell.count }, (_, index) => ({ cell, repetition: round * cell.count + index })),
    );
    for (const request of shuffle(inOrder, random)) scheduled.push({ id: scheduled.length, ...request });
  }
  return scheduled;
}

function inTraceOrder(
  cells: readonly PlannedCell[],
  timeline: readonly TimelineEntry[],
  repetitions: number,
): ScheduledRequest[] {
  const states = new Map(cells.map((cell) => [cell.id, { cell, next: 0 }]));
  const roundNs = roundLengthNs(timeline);
  const scheduled: ScheduledRequest[] = [];
  for (let round = 0; round < repetitions; round++) {
    for (const entry of timeline) {
      const { arrivalNs } = entry;
      const state = states.get(entry.cell);
      // A budget leaves cells out.
      if (state === undefined) continue;
      scheduled.push({
        id: scheduled.length,
        cell: state.cell,
        repetition: state.next++,
        atNs: arrivalNs === null ? undefined : round * roundNs + arrivalNs,
        entry,
      });
    }
  }
  return scheduled;
}

/** From a round's first arrival to that of the next: n gaps of a trace of n requests, whose last is the others' mean. */
function roundLengthNs(timeline: readonly TimelineEntry[]): Nanoseconds {
  const spanNs = timeline.at(-1)?.arrivalNs ?? 0;
  return timeline.length > 1 ? Math.round((spanNs * timeline.length) / (timeline.length - 1)) : spanNs;
}
