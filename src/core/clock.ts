import type { Nanoseconds } from './units.js';

/** A monotonic clock counting from its own origin, shared by every thread of a run. */
export interface Clock {
  now(): Nanoseconds;
}

/**
 * The system's monotonic clock (CLOCK_MONOTONIC), the same in every thread of the machine.
 * Relative to `originNs`, so that 2^53 ns (104 days) never loses a nanosecond.
 */
export function monotonicClock(originNs: bigint = process.hrtime.bigint()): Clock {
  return { now: () => Number(process.hrtime.bigint() - originNs) };
}
