import type { Nanoseconds } from '../../core/units.js';
import type { AbsenceReason } from '../../core/work.js';
import { exporterEveryNs } from '../../sensors/server/server-figures.js';
import { energyCurve } from '../energy-curve.js';
import { powerCurve } from '../power-curve.js';
import { windowOfSpans } from '../repeated-window.js';
import { tickDistance } from '../tick-times.js';
import { type CumulativeCurve, isSharp, type WindowFigure } from '../window.js';
import { type Attribution, attribute, type Claim, quantum } from './attribute.js';
import { givesEnergy } from './energy-window.js';
import type { BusySpan, RequestRun, SampledChannel, Segment, Span } from './segment.js';

/** The CPU time of a request is its thread's own in this process, and shared only on a server. */
export const useMetrics = ['energy', 'gpuTime', 'cpuTime'] as const;
export type UseMetric = (typeof useMetrics)[number];

/** A device's use over a segment, from samples. */
export interface DeviceUse {
  metric: UseMetric;
  device: string;
  /** The sensor that it was read by. */
  sensor: string;
  curve: CumulativeCurve;
  /** Between moments so far apart it is known by interpolation only. */
  resolutionNs: Nanoseconds;
  /** Whether what others did on it is left out. */
  ofProcess: boolean;
  /** Whether it works for the requests: a GPU that no model runs on is no part of their cost. */
  counted: boolean;
}

/** The utilisation by this process alone; better than the GPU's where the driver shows it. */
export const ownUtilisation = 'processUtilisation';

export const isGpu = (device: string): boolean => device.startsWith('gpu-');

interface SensedChannel extends SampledChannel {
  sensor: string;
  /** Between two readings of it. */
  readEveryNs: Nanoseconds;
}

/** Every device that an energy or a busy time is known of. */
export function devicesOf(segment: Segment, usesGpu: boolean): DeviceUse[] {
  const sensed: SensedChannel[] = segment.sensors.flatMap(({ name, channels: of, periodNs }) =>
    of.map((channel) => ({ ...channel, sensor: name, readEveryNs: periodNs ?? 0 })),
  );
  const channels = sensed.map((channel) => ({ ...channel, ...averagedAsSeen(channel, sensed, segment) }));
  const counted = countedGpus(channels, segment, usesGpu);
  const isCounted = (device: string) => !isGpu(device) || counted.has(device);
  const series = channels.map((channel) => ({ channel, series: segment.series(channel) }));
  const uses: DeviceUse[] = [];
  for (const channel of channels.filter(givesEnergy)) {
    const { device, sensor } = channel;
    if (uses.some((use) => use.device === device)) continue;
    const curve = energyCurve(series, device);
    if (curve) {
      const ownNs = curve.method === 'counter' ? ticksApart(channel, segment) : curve.averagedOverNs;
      const resolutionNs = Math.max(channel.readEveryNs, ownNs);
      const counts = { ofProcess: false, counted: isCounted(device), resolutionNs };
      uses.push({ metric: 'energy', device, sensor, curve, ...counts });
    }
  }
  const own = channels.filter(
    (channel) => channel.quantity === ownUtilisation && segment.series(channel).values.some((v) => v > 0),
  );
  const apart = new Set(own.map(({ device }) => device));
  const ofAll = channels.filter(({ quantity, device }) => quantity === 'utilisation' && !apart.has(device));
  for (const channel of [...own, ...ofAll]) {
    const { device, sensor, readEveryNs, averagedOverNs = 0 } = channel;
    if (!isGpu(device)) continue;
    const { timesNs, values } = segment.series(channel);
    // A share of time, integrated over seconds, in ns.
    const curve = powerCurve({ timesNs, values: values.map((share) => share * 1e9) }, averagedOverNs);
    const ofProcess = channel.quantity === ownUtilisation;
    const counts = {
      ofProcess,
      counted: isCounted(device),
      resolutionNs: Math.max(readEveryNs, averagedOverNs),
    };
    uses.push({ metric: 'gpuTime', device, sensor, curve, ...counts });
  }
  return uses;
}

/** Time between the ticks of a counter: as the sampler found it, else as the samples show it. */
const ticksApart = (channel: SampledChannel, segment: Segment): Nanoseconds =>
  channel.counterPeriodNs ?? tickDistance(segment.series(channel));

/** A GPU that an exporter on the network shows: it names the host as well. */
const isExported = (device: string): boolean => isGpu(device) && device.includes('@');

/**
 * A gauge of DCGM's exporter is as old as the exporter lets it become. That is half a minute unless it was told
 * otherwise, which its energy counter betrays: it moves whenever the exporter looks.
 */
function averagedAsSeen(
  channel: SensedChannel,
  all: readonly SensedChannel[],
  segment: Segment,
): Pick<SampledChannel, 'averagedOverNs'> {
  const { device, averagedOverNs = 0, sensor } = channel;
  if (!isExported(device) || averagedOverNs < exporterEveryNs) return {};
  const counter = all.find(
    (other) => other.device === device && other.sensor === sensor && other.quantity === 'energy',
  );
  if (counter === undefined) return {};
  const seenNs = Math.max(channel.readEveryNs, ticksApart(counter, segment));
  return seenNs < exporterEveryNs ? { averagedOverNs: averagedOverNs - exporterEveryNs + seenNs } : {};
}

/**
 * The GPUs that work for the requests: where models run on a GPU, those on which this process held memory;
 * all of them where that cannot be told, as in a container that hides processes.
 */
function countedGpus(channels: readonly SensedChannel[], segment: Segment, usesGpu: boolean): Set<string> {
  const all = new Set(channels.map(({ device }) => device).filter(isGpu));
  if (!usesGpu) return new Set();
  const held = channels.filter(
    (channel) => channel.quantity === 'processMemory' && segment.series(channel).values.some((v) => v > 0),
  );
  return held.length === 0 ? all : new Set(held.map(({ device }) => device));
}

/** The use of a device for something, or the reason why it is not known. */
interface Amount {
  amount: number | null;
  reason: AbsenceReason | null;
}

/** A request's use of a device over all its runs, and that of its stages by their place in the row. */
interface RequestUse extends Amount {
  stages: Map<number, Amount>;
  /** 95% interval of an amount that was told by regression. */
  interval?: readonly [low: number, high: number];
}

export interface SharedUse {
  attribution: Attribution;
  byRequest: Map<number, RequestUse>;
}

/**
 * Shares out what a device used while requests ran. `weight` is how busy a part of a request kept the
 * device; it does not matter where requests run one at a time. What preparing requests used is in no
 * request, and not idle either.
 */
export function shareUse(
  use: Pick<DeviceUse, 'curve' | 'metric'>,
  measured: Span,
  requests: readonly RequestRun[],
  weight: (part: BusySpan) => Nanoseconds,
): SharedUse {
  const { curve, metric } = use;
  const parts = requests.flatMap((request) => request.parts.map((part) => ({ request, part })));
  const busy = [...parts.map(({ part }) => part), ...requests.flatMap(({ preparations }) => preparations)];
  const claims = busy.map((span, index): Claim => {
    const { startNs, endNs } = span;
    return { request: index, startNs, endNs, busyNs: weight(span) };
  });
  const attribution = attribute({
    curve,
    ...measured,
    claims,
    quantum: metric === 'energy' ? quantum.joules : quantum.nanoseconds,
  });
  const byRequest = new Map<number, RequestUse>();
  for (const { id, spans } of requests) {
    byRequest.set(id, { ...stated(windowOfSpans(curve, spans)), stages: new Map() });
  }
  for (const [index, { request, part }] of parts.entries()) {
    const amount = attribution.byRequest.get(index)!;
    const known = byRequest.get(request.id)!;
    if (known.amount !== null) known.amount += amount;
    if (part.stage === null) continue;
    const stage = known.stages.get(part.stage) ?? statedStage(curve, request, part, known);
    if (stage.amount !== null) stage.amount += amount;
    known.stages.set(part.stage, stage);
  }
  return { attribution, byRequest };
}

/**
 * Of a request that ran once, its stage stands or falls by its own window. Where it ran several times, its
 * stages come round within the ticks of the counter again and again, and share its amount by their time.
 */
function statedStage(curve: CumulativeCurve, { spans }: RequestRun, part: Span, request: Amount): Amount {
  if (request.amount === null) return { amount: null, reason: request.reason };
  return spans.length > 1 ? { amount: 0, reason: null } : stated(curve.window(part.startNs, part.endNs));
}

/** 0 to add to where a window's figure is sharp enough to be stated; otherwise why it is not. */
function stated(figure: WindowFigure): Amount {
  if (figure.value === null) return { amount: null, reason: figure.reason };
  return isSharp(figure) ? { amount: 0, reason: null } : { amount: null, reason: 'too-short' };
}
