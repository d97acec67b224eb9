import type { Nanoseconds } from '../core/units.js';
import type { AbsenceReason } from '../core/work.js';

/** An amount over a window of time, or why there is none. */
export type WindowFigure =
  | {
      value: number;
      /** Between these two the true amount lies, by the argument of the method. */
      low: number;
      high: number;
      method: CurveMethod;
      /** Ticks of the counter, or readings of the gauge, inside the window. */
      readings: number;
    }
  | { value: null; reason: AbsenceReason };

type CurveMethod = 'counter' | 'power-integral';

/** The cumulative use up to each moment, drawn from samples. */
export interface CumulativeCurve {
  readonly method: CurveMethod;
  /** Over how long the hardware averages what it shows; 0 for a counter. */
  readonly averagedOverNs: Nanoseconds;
  /** Spans in which it is known: between the samples, without the gaps. */
  readonly known: readonly { startNs: Nanoseconds; endNs: Nanoseconds }[];
  /** The amount up to a moment, from any origin; null where it is not known. Never falls. */
  at(timeNs: Nanoseconds): number | null;
  /** The amount between two moments. Throws `RangeError` where the end is not after the start. */
  window(startNs: Nanoseconds, endNs: Nanoseconds): WindowFigure;
}

/** Ticks of a counter that a window should hold for an error near 1%. */
export const enoughTicks = 10;

/** The shortest window in which a counter that changes, or is read, so often is known within about 1%. */
export const sharpWindowNs = (counterPeriodNs: Nanoseconds): Nanoseconds => enoughTicks * counterPeriodNs;

/** Number of times to repeat a request of this length inside one window for its energy to be read. */
export function repetitionsFor(requestNs: Nanoseconds, counterPeriodNs: Nanoseconds): number {
  return Math.max(1, Math.ceil(sharpWindowNs(counterPeriodNs) / requestNs));
}

/** Largest error of a single request's figure by what a gauge or a gap hides, as a share of it. */
export const looseAtMost = 0.1;

/**
 * Whether a figure is worth stating for one request: its counter moved ten times in the window; or, of a
 * gauge, its own bounds lie within a tenth.
 */
export function isSharp(figure: WindowFigure): boolean {
  if (figure.value === null) return false;
  if (figure.method === 'counter') return figure.readings >= enoughTicks;
  return (figure.high - figure.low) / 2 <= looseAtMost * figure.value;
}

export function checkWindow(startNs: Nanoseconds, endNs: Nanoseconds): void {
  if (!(endNs > startNs)) throw new RangeError(`a window from ${startNs} to ${endNs} ns is empty`);
}
