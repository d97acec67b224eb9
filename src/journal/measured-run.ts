import { z } from 'zod';
import type { Nanoseconds } from '../core/units.js';
import type { FinishedRequest } from '../stages/run-request.js';

/**
 * One time that a request ran. A stage begins where the one before ended, so that ends say it all; a request
 * without stages has one end.
 */
export const measuredRunSchema = z.strictObject({
  startedNs: z.number(),
  endsNs: z.array(z.number()).min(1),
  /** CPU time up to each end. */
  cpuNs: z.array(z.number().nullable()),
});
export type MeasuredRun = z.infer<typeof measuredRunSchema>;

/** Work that brings a worker into the state that a request's pipeline says: no part of the request. */
export const preparationSchema = z.strictObject({
  startedNs: z.number(),
  endedNs: z.number(),
  cpuNs: z.number().nullable(),
});
export type Preparation = z.infer<typeof preparationSchema>;

/** The parts of a finished request that its row and its run both hold. */
interface Finished {
  times: Pick<FinishedRequest['times'], 'started' | 'lastToken'>;
  stages: readonly Pick<FinishedRequest['stages'][number], 'times' | 'work'>[];
  work: Pick<FinishedRequest['work'], 'cpuTime'>;
}

export function measuredRun({ times, stages, work }: Finished): MeasuredRun {
  if (stages.length === 0) {
    return { startedNs: times.started, endsNs: [times.lastToken], cpuNs: [work.cpuTime] };
  }
  return {
    startedNs: times.started,
    endsNs: stages.map((stage) => stage.times.ended),
    cpuNs: stages.map((stage) => stage.work.cpuTime ?? null),
  };
}

export const endOf = ({ endsNs }: MeasuredRun): Nanoseconds => endsNs.at(-1)!;

export function ownTimeOf(runs: readonly MeasuredRun[]): Nanoseconds {
  return runs.reduce((sum, run) => sum + endOf(run) - run.startedNs, 0);
}

/** CPU time over all runs; null where it is not known of one. */
export function cpuTimeOf(runs: readonly MeasuredRun[]): Nanoseconds | null {
  const times = runs.flatMap(({ cpuNs }) => cpuNs);
  return times.reduce<number | null>((sum, time) => (sum === null || time === null ? null : sum + time), 0);
}
