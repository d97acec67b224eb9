import type { Warning } from '../../core/codes.js';
import type { Nanoseconds } from '../../core/units.js';
import { sharpWindowNs } from '../window.js';
import type { SampledSensor } from './segment.js';

/** A little more, so that a window still holds enough where it begins just after a tick. */
const margin = 1.2;

/** Whether a channel's device can be given an energy by it. */
export const givesEnergy = ({ quantity, unit }: { quantity: string; unit: string }): boolean =>
  (quantity === 'energy' && unit === 'J') || (quantity === 'power' && unit === 'W');

/**
 * How long a window must be for the energy of every device to be told within about 1%; null where no
 * device has an energy. A counter decides alone; a power gauge only where the device has no counter.
 */
export function energyWindowNs(sensors: readonly SampledSensor[]): Nanoseconds | null {
  const channels = sensors.flatMap(({ channels: of, periodNs }) =>
    of.map((channel) => ({ ...channel, readEveryNs: periodNs ?? 0 })),
  );
  const counted = new Set(
    channels.filter(({ quantity }) => quantity === 'energy').map(({ device }) => device),
  );
  const needed = channels
    .filter((channel) => givesEnergy(channel) && (channel.kind === 'counter' || !counted.has(channel.device)))
    .map(({ kind, counterPeriodNs, readEveryNs, averagedOverNs }) =>
      sharpWindowNs(
        Math.max(readEveryNs, (kind === 'counter' ? counterPeriodNs : null) ?? 0, averagedOverNs ?? 0),
      ),
    );
  return needed.length === 0 ? null : margin * Math.max(...needed);
}

/** The same for the CPU time of the whole process, which the sharing among requests is tested on. */
function processWindowNs(sensors: readonly SampledSensor[]): Nanoseconds | null {
  const sensor = sensors.find(({ channels }) =>
    channels.some(({ device, quantity }) => device === 'process' && quantity === 'cpuTime'),
  );
  return sensor?.periodNs ? margin * sharpWindowNs(sensor.periodNs) : null;
}

/** The user's choices about sensors. */
interface Asked {
  /** Whether requests are repeated until a window is long enough for their energy. */
  energy: boolean;
  /** Whether the sharing among concurrent requests is held against the same requests alone. */
  validate: boolean;
}

/** Time for which each request is repeated; null where nobody asked for it, or no counter would gain by it. */
export function windowOf({ energy, validate }: Asked, sensors: readonly SampledSensor[]): Nanoseconds | null {
  if (!energy && !validate) return null;
  const windows = [energyWindowNs(sensors), validate ? processWindowNs(sensors) : null];
  const needed = windows.filter((window) => window !== null);
  return needed.length === 0 ? null : Math.max(...needed);
}

/** Said where energy was asked for and no sensor has it. */
export function energyUnavailable(
  { energy }: Pick<Asked, 'energy'>,
  sensors: readonly SampledSensor[],
): Warning[] {
  if (!energy || energyWindowNs(sensors) !== null) return [];
  return [
    {
      code: 'energy-unavailable',
      message:
        '--energy was asked for, and no sensor of this machine gives an energy; requests ran once each.',
      hint: 'See what is missing, and what would help, with: tokenwork doctor',
    },
  ];
}
