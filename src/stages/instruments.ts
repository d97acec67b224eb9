import type { Clock } from '../core/clock.js';
import type { Nanoseconds } from '../core/units.js';

/** The instruments that are read at the boundaries between stages. */
export interface Instruments {
  clock: Clock;
  /** CPU time so far of every thread that works for the request; null where it cannot be read. */
  cpuTime: (() => Nanoseconds) | null;
}

export interface Reading {
  atNs: Nanoseconds;
  cpuNs: Nanoseconds | null;
}

export function readInstruments({ clock, cpuTime }: Instruments): Reading {
  return { cpuNs: cpuTime?.() ?? null, atNs: clock.now() };
}

export function cpuBetween(from: Reading, to: Reading): Nanoseconds | null {
  return to.cpuNs === null || from.cpuNs === null ? null : to.cpuNs - from.cpuNs;
}
