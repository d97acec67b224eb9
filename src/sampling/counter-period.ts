import type { Nanoseconds } from '../core/units.js';
import { median } from '../stats/quantile.js';

/** How often what a channel shows really changes. */
export interface CounterPeriod {
  periodNs: Nanoseconds;
  /** False where it changed at nearly every look: then the true period is at most `periodNs`. */
  resolved: boolean;
}

const fewestChanges = 4;

/**
 * The median time between changes of a channel that was looked at more often than it changes; `null`
 * below four changes. Counters of energy are brought up to date every 1 to 100 ms, whatever the
 * documentation says, and between two ticks a window measures nothing.
 */
export function counterPeriod(
  timesNs: readonly Nanoseconds[],
  values: readonly number[],
): CounterPeriod | null {
  const changes: { atNs: Nanoseconds; looseNs: Nanoseconds }[] = [];
  for (let index = 1; index < values.length; index++) {
    if (Number.isNaN(values[index]!) || Number.isNaN(values[index - 1]!)) continue;
    if (values[index] !== values[index - 1]) {
      changes.push({ atNs: timesNs[index]!, looseNs: timesNs[index]! - timesNs[index - 1]! });
    }
  }
  if (changes.length < fewestChanges) return null;
  const periodNs = median(changes.slice(1).map(({ atNs }, index) => atNs - changes[index]!.atNs))!;
  const looseNs = median(changes.map((change) => change.looseNs))!;
  return { periodNs, resolved: periodNs > 2 * looseNs };
}
