import { TokenworkError } from '../core/errors.js';
import { createRandom, shuffle } from '../stats/random.js';
import type { PlannedCell, WorkloadPlan } from './plan.js';

export interface ScheduledRequest {
  /** Position in the schedule, from 0. */
  id: number;
  cell: PlannedCell;
  /** Counts the cell's requests from 0; with the cell's id it names a request for good. */
  repetition: number;
}

/** Twice as many as were tried; each takes some hundred bytes before anything runs. */
const mostRequests = 2_000_000;

/**
 * The requests of a plan in the order they are handed out: `repetitions` rounds, each holding every cell
 * `count` times in an order of its own drawn by seed, so that a drift of the machine falls on all cells
 * alike. The same plan, repetitions and seed give the same schedule, which is what resuming rests on.
 *
 * The schedule is closed-loop: a request starts when a worker is free. Throws TokenworkError `too-many-requests`.
 */
export function schedule(
  plan: Pick<WorkloadPlan, 'cells'>,
  { repetitions, seed }: { repetitions: number; seed: number },
): ScheduledRequest[] {
  const requests = repetitions * plan.cells.reduce((sum, { count }) => sum + count, 0);
  if (requests > mostRequests) {
    throw new TokenworkError(
      'too-many-requests',
      `${requests.toLocaleString('en')} requests are asked for; a run holds ${mostRequests.toLocaleString('en')} at most.`,
      'Ask for fewer repetitions or draws, or limit the trace.',
    );
  }
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
