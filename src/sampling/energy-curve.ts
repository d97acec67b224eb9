import type { Nanoseconds } from '../core/units.js';
import type { Channel } from '../sensors/sensor.js';
import { counterCurve } from './counter-curve.js';
import { powerCurve } from './power-curve.js';
import type { Series } from './series.js';
import type { CumulativeCurve } from './window.js';

/** A channel with what was sampled of it. */
export interface ChannelSeries {
  channel: Channel & { counterPeriodNs?: Nanoseconds | null };
  series: Series;
}

/**
 * The curve of a device's energy in J: by its energy counter; only where it has none, by integrating its
 * power. One method for the whole run, so that figures of both never stand in one column. Null where
 * the device has neither.
 */
export function energyCurve(channels: readonly ChannelSeries[], device: string): CumulativeCurve | null {
  const of = (quantity: string) =>
    channels.find(({ channel }) => channel.device === device && channel.quantity === quantity);
  const counter = of('energy');
  if (counter) return counterCurve(counter.series, counter.channel.counterPeriodNs ?? null);
  const power = of('power');
  return power ? powerCurve(power.series, power.channel.averagedOverNs ?? 0) : null;
}
