import { isSlowedDown, throttleSigns } from '../../core/busy-machine.js';
import type { Warning } from '../../core/codes.js';
import type { Series } from '../series.js';
import { isGpu } from './devices.js';
import type { SamplingSetting } from './metric.js';
import type { Segment, Span } from './segment.js';

/**
 * Warns where heat, a limit of the clock or a CPU quota held the machine back while requests ran, and a GPU only where
 * one is used. What held back the machine of a recording is over.
 */
export function throttling(segments: readonly Segment[], { usesGpu }: SamplingSetting): Warning[] {
  if (segments.some(({ recorded }) => recorded !== null)) return [];
  const [withheldCores, thermalThrottles, lowered] = [
    segments.map((segment) => grown(segment, 'withheldTime').perNs),
    segments.map((segment) => grown(segment, 'thermalThrottles').amount),
    segments.map(loweredLimit),
  ];
  const signs = throttleSigns({
    withheldCores: Math.max(0, ...withheldCores),
    thermalThrottles: thermalThrottles.reduce((sum, count) => sum + count, 0),
    frequencyLimit: Math.min(1, ...lowered),
    slowedGpus: usesGpu ? segments.flatMap(slowedGpus) : [],
  });
  if (signs.length === 0) return [];
  return [
    {
      code: 'throttled',
      message: `The machine was held back while requests ran: ${signs.map(({ words }) => words).join('; ')}.`,
      hint: 'Times are of a slower machine: raise the quota, or let it cool and hold its clock, and measure again.',
    },
  ];
}

function seriesOf({ sensors, series }: Segment, quantity: string): Series | null {
  const channel = sensors
    .flatMap(({ channels }) => channels)
    .find((of) => of.device === 'system' && of.quantity === quantity);
  return channel === undefined ? null : known(series(channel));
}

function known({ timesNs, values }: Series): Series {
  const kept = [...values.keys()].filter((index) => Number.isFinite(values[index]));
  return { timesNs: kept.map((index) => timesNs[index]!), values: kept.map((index) => values[index]!) };
}

/**
 * The growth of a counter from the last reading before the requests to the first after them. Events are rare: a curve
 * between its ticks would spread one over all the time since the last.
 */
function grown(segment: Segment, quantity: string): { amount: number; perNs: number } {
  const series = seriesOf(segment, quantity);
  if (series === null || segment.measured === null || series.values.length < 2)
    return { amount: 0, perNs: 0 };
  const { startNs, endNs } = segment.measured;
  const { timesNs, values } = series;
  const from = Math.max(
    0,
    timesNs.findLastIndex((atNs) => atNs <= startNs),
  );
  const after = timesNs.findIndex((atNs) => atNs >= endNs);
  const to = after === -1 ? values.length - 1 : after;
  const amount = Math.max(0, values[to]! - values[from]!);
  return { amount, perNs: to > from ? amount / (timesNs[to]! - timesNs[from]!) : 0 };
}

/** The lowest limit of the frequency while requests ran, as a share of the highest of the session. */
function loweredLimit(segment: Segment): number {
  const series = seriesOf(segment, 'frequencyLimit');
  if (series === null || segment.measured === null) return 1;
  const meanwhile = within(series, segment.measured);
  return meanwhile.length === 0 ? 1 : Math.min(...meanwhile) / Math.max(...series.values);
}

function slowedGpus({ sensors, series, measured }: Segment) {
  const channels = sensors.flatMap(({ channels: of }) => of);
  return channels
    .filter(({ device, quantity }) => quantity === 'throttleReasons' && isGpu(device))
    .map((channel) => {
      const masks = measured === null ? [] : within(known(series(channel)), measured);
      return { device: channel.device, share: masks.filter(isSlowedDown).length / Math.max(1, masks.length) };
    });
}

function within({ timesNs, values }: Series, { startNs, endNs }: Span): number[] {
  return values.filter((_, index) => timesNs[index]! >= startNs && timesNs[index]! <= endNs);
}
