/** The parts of a result on how requests were sent to a server: when, and whether the client kept up. */
import { z } from 'zod';

const count = z.int().nonnegative();
const rate = z.number().positive();
const duration = z.number().nonnegative();

/** The factor of cells that says at which rate, in requests per second, a step of a sweep was sent. */
export const rateFactor = 'requestRate';

/** The process by which requests arrive; rates in requests per second. */
const arrivalProcessSchema = z.discriminatedUnion('kind', [
  /** Closed loop: a request is sent when another has ended, `concurrency` at a time. */
  z.strictObject({ kind: z.literal('closed'), concurrency: z.int().positive() }),
  z.strictObject({ kind: z.literal('constant'), rate }),
  z.strictObject({ kind: z.literal('poisson'), rate }),
  /** Gaps of a gamma distribution; `variation` is their coefficient of variation, and 1 is Poisson. */
  z.strictObject({ kind: z.literal('gamma'), rate, variation: z.number().positive() }),
  /** Poisson, at a rate that grows linearly in time. */
  z.strictObject({ kind: z.literal('ramp'), from: rate, to: rate }),
  /** The times of a recorded trace, divided by `speed`. */
  z.strictObject({ kind: z.literal('trace'), speed: rate }),
]);
export type ArrivalProcess = z.infer<typeof arrivalProcessSchema>;

/** When the requests of a run are sent: by one process, or by a Poisson process at each of several rates. */
export const loopSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('one'), process: arrivalProcessSchema }),
  z.strictObject({ kind: z.literal('sweep'), rates: z.array(rate).min(1) }),
]);
export type Loop = z.infer<typeof loopSchema>;

/** Why a request of an open loop was not sent: its time had passed, too many were in flight, or the run was stopped. */
export type UnsentReason = 'late' | 'inFlight' | 'stopped';

/** How well requests were sent when they should have been. */
export const arrivalsRecordSchema = z.strictObject({
  process: arrivalProcessSchema,
  /** Requests of the schedule. */
  scheduled: count,
  sent: count,
  unsent: z.strictObject({ late: count, inFlight: count, stopped: count }),
  /** Requests per second: (scheduled − 1) ÷ from the first time of the schedule to its last; null in a closed loop. */
  offeredRate: z.number().nonnegative().nullable(),
  /** (sent − 1) ÷ from the first time to the last, of the schedule or of sending, whichever was later. */
  achievedRate: z.number().nonnegative().nullable(),
  /** ns from the scheduled time to that of sending, over all that were sent; null in a closed loop. */
  lag: z.strictObject({ p50: duration, p99: duration, max: duration }).nullable(),
  /** `skip`: a request later than `lateAfter` ns is not sent; `send`: it is. Both are null in a closed loop. */
  catchUp: z.enum(['skip', 'send']).nullable(),
  lateAfter: duration.nullable(),
  /** Requests that may be in flight at once, and the most that were. */
  maxInFlight: z.int().positive(),
  mostInFlight: count,
  /** Share of one core that was spent on waiting precisely. */
  spinShare: z.number().nonnegative(),
  /** Whether requests arrived as the process says; else why not, in words. */
  usable: z.boolean(),
  reason: z.string().nullable(),
});
/** How well requests were sent when they should have been. */
export type ArrivalsRecord = z.infer<typeof arrivalsRecordSchema>;

/** The load of the client's own process while it sent requests. */
export const clientRecordSchema = z.strictObject({
  durationNs: duration,
  /** CPU time of the process ÷ time: cores that all its threads kept busy. */
  cpuCores: z.number().nonnegative(),
  /** The same of the thread that sends and reads, without the time it spent on waiting precisely. */
  mainThreadShare: z.number().nonnegative(),
  /** `cpu`: the thread's CPU time; `loop`: the share of time in which its event loop ran, where that cannot be read. */
  mainThreadFrom: z.enum(['cpu', 'loop']),
  /**
   * ns by which a timer of `resolution` was late, over its ticks. A block of any length is one tick, so that percentiles
   * say little of few long ones: these show in `max` and `blockedShare`.
   */
  loopDelay: z.strictObject({
    resolution: duration,
    ticks: count,
    p50: duration,
    p99: duration,
    max: duration,
  }),
  /** Share of the time in which the timer's next tick was overdue: 1 − resolution ÷ mean distance of ticks. */
  blockedShare: z.number().min(0).max(1),
});
/** The load of the client's own process while it sent requests. */
export type ClientRecord = z.infer<typeof clientRecordSchema>;
