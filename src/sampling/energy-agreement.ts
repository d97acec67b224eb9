import type { Nanoseconds } from '../core/units.js';
import { counterCurve } from './counter-curve.js';
import type { ChannelSeries } from './energy-curve.js';
import { powerCurve } from './power-curve.js';

/** The energy of one window by a device's counter and by its power gauge, integrated. */
export interface EnergyAgreement {
  counterJoules: number;
  powerJoules: number;
  /** Counter ÷ power; 1 where they agree. */
  ratio: number;
  /** Between these the ratio lies by what is known of both: the counter's ticks, the gauge's readings. */
  low: number;
  high: number;
}

/**
 * Holds a device's energy counter against its power gauge over a window of at least some tens of the
 * gauge's averages. The gauge is no better witness than the counter: on A100 and H100 it sees a quarter of the
 * time (Yang et al. 2024), and under a load that changes as often as it looks the two may differ. Null where
 * the device has not both, or one of them has no figure for the window.
 */
export function energyAgreement(
  channels: readonly ChannelSeries[],
  device: string,
  startNs: Nanoseconds,
  endNs: Nanoseconds,
): EnergyAgreement | null {
  const of = (quantity: string) =>
    channels.find(({ channel }) => channel.device === device && channel.quantity === quantity);
  const [energy, power] = [of('energy'), of('power')];
  if (energy === undefined || power === undefined) return null;
  const counted = counterCurve(energy.series, energy.channel.counterPeriodNs ?? null).window(startNs, endNs);
  const integrated = powerCurve(power.series, power.channel.averagedOverNs ?? 0).window(startNs, endNs);
  if (counted.value === null || integrated.value === null || integrated.value === 0) return null;
  return {
    counterJoules: counted.value,
    powerJoules: integrated.value,
    ratio: counted.value / integrated.value,
    low: counted.low / integrated.high,
    high: integrated.low > 0 ? counted.high / integrated.low : Number.POSITIVE_INFINITY,
  };
}
