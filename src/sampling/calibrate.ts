import type { Clock } from '../core/clock.js';
import { log } from '../core/log.js';
import type { Nanoseconds } from '../core/units.js';
import type { OpenSensor } from '../sensors/sensor.js';
import { median } from '../stats/quantile.js';
import type { OpenedSensor } from './opened-sensor.js';

/** Only sensors read often have counters that tick faster than a timer can look. */
const burstBelowNs = 25e6;
const burstNs = 15e6;
const looksPerPeriod = 20;
/**
 * The golden ratio squared: readings then fall on ever new phases of the tick, and together tell when it
 * happens far better than one of them can. At 2 they would fall on the same two phases for ever.
 */
export const looksPerTick = 2.618;

class Looks {
  readonly #timesNs: Nanoseconds[][];
  readonly #values: number[][];

  constructor(channels: number) {
    this.#timesNs = Array.from({ length: channels }, () => []);
    this.#values = Array.from({ length: channels }, () => []);
  }

  /** Whether the sensor could be read. */
  take(sensor: OpenSensor, clock: Clock): boolean {
    try {
      sensor.read({
        put: (channel, value, atNs = clock.now()) => {
          this.#timesNs[channel]!.push(atNs);
          this.#values[channel]!.push(value);
        },
        lose: () => {},
      });
      return true;
    } catch (error) {
      log('calibrating: %s', error);
      return false; // The sampling loop meets the same failure, and reports it.
    }
  }

  periods(): (CounterPeriod | null)[] {
    return this.#timesNs.map((timesNs, channel) => counterPeriod(timesNs, this.#values[channel]!));
  }
}

/**
 * Looks at every sensor for a while, more often than it changes, and writes into its record how often
 * each channel really changes and how often the sensor is therefore to be read: a few times per tick of its
 * quickest channel, and no more often than the sensor itself finds cheap. Sensors that know it are let be:
 * looking at a recording would play it.
 */
export async function calibrate(all: readonly OpenedSensor[], clock: Clock, forNs: Nanoseconds) {
  const opened = all.filter(({ sensor }) => sensor.ticks === undefined);
  if (opened.length === 0) return;
  for (const { record, sensor } of opened) {
    if (sensor.arrives || sensor.periodNs > burstBelowNs) continue;
    const looks = new Looks(record.channels.length);
    const startNs = clock.now();
    while (clock.now() - startNs < burstNs && looks.take(sensor, clock));
    note(record, looks.periods());
  }
  const endNs = clock.now() + forNs;
  const looking = opened.map(({ record, sensor }) => ({
    record,
    sensor,
    looks: new Looks(record.channels.length),
    everyNs: Math.max(1e6, sensor.periodNs / looksPerPeriod),
    dueNs: 0,
  }));
  for (let nowNs = clock.now(); nowNs < endNs; nowNs = clock.now()) {
    for (const look of looking) {
      if (look.dueNs > nowNs) continue;
      look.dueNs = look.looks.take(look.sensor, clock) ? nowNs + look.everyNs : Number.POSITIVE_INFINITY;
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  for (const { record, sensor, looks } of looking) {
    note(record, looks.periods());
    const quickestNs = Math.min(...record.channels.flatMap(({ counterPeriodNs }) => counterPeriodNs ?? []));
    record.periodNs = Number.isFinite(quickestNs)
      ? Math.max(sensor.periodNs, Math.round(quickestNs / looksPerTick))
      : sensor.periodNs;
  }
}

/** A period seen in the first, closer look stands, unless that look did not resolve it. */
function note(record: OpenedSensor['record'], periods: readonly (CounterPeriod | null)[]): void {
  for (const [index, channel] of record.channels.entries()) {
    const found = periods[index];
    if (!found || channel.counterPeriodNs !== null) continue;
    channel.counterPeriodNs = found.periodNs;
    channel.periodResolved = found.resolved;
  }
}

/** The period at which a channel's value really changes. */
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
