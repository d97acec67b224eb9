import { type ArrivalProcess, rateFactor } from '../../core/arrivals-record.js';
import { type ScheduledRequest, schedule } from '../../workload/schedule.js';
import type { PreparedServed } from './prepare.js';

/** Requests that arrive by one process. */
export interface Step {
  process: ArrivalProcess;
  requests: readonly ScheduledRequest[];
  /** The place of each in the process's own order of arrivals, which a run that goes on has a part of left. */
  places: readonly number[];
  /** Arrivals of the process in all. */
  arrivals: number;
  /** The times of a trace, in order. */
  recordedNs?: ArrayLike<number> | undefined;
}

/**
 * What is left to be sent, in its order: one step, or of a sweep one for each rate, the lowest first, as a server that
 * was overrun is no longer what it was.
 */
export function stepsOf({ settings, cells }: PreparedServed, finished: ReadonlySet<number>): Step[] {
  const { loop } = settings;
  if (loop.kind === 'one') {
    const all = schedule({ cells }, settings);
    return [left(all, loop.process, finished)];
  }
  let id = 0;
  return loop.rates.map((rate) => {
    const own = cells.filter(({ factors }) => factors[rateFactor] === rate);
    const all = schedule({ cells: own }, settings).map((request) => ({ ...request, id: id++ }));
    return left(all, { kind: 'poisson', rate }, finished);
  });
}

function left(
  all: readonly ScheduledRequest[],
  process: Step['process'],
  finished: ReadonlySet<number>,
): Step {
  const places = all.flatMap(({ id }, place) => (finished.has(id) ? [] : [place]));
  return { process, places, requests: places.map((place) => all[place]!), arrivals: all.length };
}
