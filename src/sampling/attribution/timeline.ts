import type { Timeline } from '../../core/result.js';
import type { Nanoseconds } from '../../core/units.js';
import type { Series } from '../series.js';
import type { SampledChannel, Segment } from './segment.js';

/** Points of a chart, as many as it has columns; figures are drawn from all samples. */
const mostPoints = 500;
/** A rate over fewer ticks of a counter would mostly show when it ticked. */
const ticksPerPoint = 4;

/** Each channel's readings over the run, thinned; channels that never gave two values are left out. */
export function timelineOf(segments: readonly Segment[]): Timeline[] {
  const lines = new Map<string, Timeline & { channel: SampledChannel; parts: Series[] }>();
  for (const segment of segments) {
    for (const { name, channels } of segment.sensors) {
      for (const channel of channels) {
        const { device, quantity, unit } = channel;
        const key = [name, device, quantity].join(' ');
        const line = lines.get(key) ?? {
          ...{ sensor: name, device, quantity, unit: shownUnit(channel), timesNs: [], values: [] },
          ...{ samples: 0, channel: { ...channel, unit }, parts: [] },
        };
        line.parts.push(segment.series(channel));
        lines.set(key, line);
      }
    }
  }
  return [...lines.values()].flatMap(({ channel, parts, ...line }) => {
    const samples = parts.reduce((sum, { values }) => sum + values.filter(Number.isFinite).length, 0);
    if (samples < 2) return [];
    return [{ ...line, samples, ...thin(parts, channel) }];
  });
}

function shownUnit({ kind, unit }: SampledChannel): string {
  if (kind === 'gauge') return unit;
  return { J: 'W', ns: 'ratio' }[unit as string] ?? `${unit}/s`;
}

function thin(parts: readonly Series[], channel: SampledChannel): Pick<Timeline, 'timesNs' | 'values'> {
  const durationNs = parts.reduce((sum, { timesNs }) => sum + (timesNs.at(-1) ?? 0) - (timesNs[0] ?? 0), 0);
  const ticksNs = channel.kind === 'counter' ? ticksPerPoint * (channel.counterPeriodNs ?? 0) : 0;
  const apartNs = Math.max(durationNs / mostPoints, ticksNs);
  const points: { atNs: Nanoseconds; value: number | null }[] = [];
  for (const { timesNs, values } of parts) {
    let from: { atNs: Nanoseconds; value: number } | null = null;
    // What was measured by a process that ended and by the next does not belong together.
    if (points.length > 0 && timesNs.length > 0) points.push({ atNs: timesNs[0]!, value: null });
    for (const [index, atNs] of timesNs.entries()) {
      const value = values[index]!;
      if (!Number.isFinite(value)) {
        if (points.at(-1)?.value !== null) points.push({ atNs, value: null });
        from = null;
      } else if (from === null) {
        if (channel.kind === 'gauge') points.push({ atNs, value });
        from = { atNs, value };
      } else if (atNs - from.atNs >= apartNs) {
        points.push({ atNs, value: channel.kind === 'gauge' ? value : rate(from, { atNs, value }, channel) });
        from = { atNs, value };
      }
    }
  }
  return { timesNs: points.map(({ atNs }) => Math.round(atNs)), values: points.map(({ value }) => value) };
}

/** Mean rate between two readings of a counter: J as W, ns as a share of the time, all else per second. */
function rate(
  from: { atNs: Nanoseconds; value: number },
  to: { atNs: Nanoseconds; value: number },
  { unit }: SampledChannel,
): number {
  const perNs = (to.value - from.value) / (to.atNs - from.atNs);
  return Number((unit === 'ns' ? perNs : perNs * 1e9).toPrecision(6));
}
