import { type ArrivalProcess, rateFactor } from '../../core/records/arrivals.js';
import { cellAtRate } from '../../workload/arrivals/at-rate.js';
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
 * What is left to be sent, in its order, which of a trace is its own: one step, or of a sweep one for each rate, the
 * lowest first, as a server that was overrun is no longer what it was.
 */
export function stepsOf(
  { settings, cells, timeline }: Pick<PreparedServed, 'settings' | 'cells' | 'timeline'>,
  finished: ReadonlySet<number>,
): Step[] {
  const { loop, repetitions, seed } = settings;
  const options = { repetitions, seed, order: 'trace' } as const;
  if (loop.kind === 'one') return [left(schedule({ cells, timeline }, options), loop.process, finished)];
  let id = 0;
  return loop.rates.map((rate) => {
    const own = cells.filter(({ factors }) => factors[rateFactor] === rate);
    const entries = timeline?.map((entry) => ({ ...entry, cell: cellAtRate(entry.cell, rate) }));
    const all = schedule({ cells: own, timeline: entries }, options);
    const step = all.map((request) => ({ ...request, id: id++ }));
    return left(step, { kind: 'poisson', rate }, finished);
  });
}

function left(
  all: readonly ScheduledRequest[],
  process: Step['process'],
  finished: ReadonlySet<number>,
): Step {
  const places = all.flatMap(({ id }, place) => (finished.has(id) ? [] : [place]));
  const requests = places.map((place) => all[place]!);
  const recordedNs =
    process.kind === 'trace' ? Float64Array.from(all, ({ atNs }) => atNs ?? Number.NaN) : undefined;
  return { process, places, requests, arrivals: all.length, recordedNs };
}
