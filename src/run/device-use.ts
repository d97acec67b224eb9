import type { Nanoseconds } from '../core/units.js';
import type { AbsenceReason } from '../core/work.js';
import { type Attribution, attribute, type Claim, quantum } from '../sampling/attribution.js';
import { energyCurve } from '../sampling/energy-curve.js';
import { powerCurve } from '../sampling/power-curve.js';
import { type CumulativeCurve, isSharp } from '../sampling/window.js';
import { givesEnergy } from './energy-window.js';
import type { SampledChannel } from './journal-samples.js';
import type { RequestRun, SampledStretch, Span } from './sampled-stretch.js';

export type UseMetric = 'energy' | 'gpuTime';

/** What a device was sampled to use over a stretch. */
export interface DeviceUse {
  metric: UseMetric;
  device: string;
  /** The sensor that it was read by. */
  sensor: string;
  curve: CumulativeCurve;
  /** Whether it works for the requests: a GPU that no model runs on is no part of their cost. */
  counted: boolean;
}

export const isGpu = (device: string): boolean => device.startsWith('gpu-');

interface SensedChannel extends SampledChannel {
  sensor: string;
}

/** Every device that an energy or a busy time is known of. */
export function devicesOf(stretch: SampledStretch, usesGpu: boolean): DeviceUse[] {
  const channels: SensedChannel[] = stretch.sensors.flatMap(({ name, channels: of }) =>
    of.map((channel) => ({ ...channel, sensor: name })),
  );
  const counted = countedGpus(channels, stretch, usesGpu);
  const isCounted = (device: string) => !isGpu(device) || counted.has(device);
  const series = channels.map((channel) => ({ channel, series: stretch.series(channel) }));
  const uses: DeviceUse[] = [];
  for (const channel of channels.filter(givesEnergy)) {
    const { device, sensor } = channel;
    if (uses.some((use) => use.device === device)) continue;
    const curve = energyCurve(series, device);
    if (curve) uses.push({ metric: 'energy', device, sensor, curve, counted: isCounted(device) });
  }
  for (const channel of channels) {
    const { device, sensor, quantity, averagedOverNs = 0 } = channel;
    if (quantity !== 'utilisation' || !isGpu(device)) continue;
    const { timesNs, values } = stretch.series(channel);
    // A share of time, integrated over seconds, in ns.
    const curve = powerCurve({ timesNs, values: values.map((share) => share * 1e9) }, averagedOverNs);
    uses.push({ metric: 'gpuTime', device, sensor, curve, counted: isCounted(device) });
  }
  return uses;
}

/**
 * The GPUs that work for the requests: where models run on a GPU, those on which this process held memory;
 * all of them where that cannot be told, as in a container that hides processes.
 */
function countedGpus(
  channels: readonly SensedChannel[],
  stretch: SampledStretch,
  usesGpu: boolean,
): Set<string> {
  const all = new Set(channels.map(({ device }) => device).filter(isGpu));
  if (!usesGpu) return new Set();
  const held = channels.filter(
    (channel) => channel.quantity === 'processMemory' && stretch.series(channel).values.some((v) => v > 0),
  );
  return held.length === 0 ? all : new Set(held.map(({ device }) => device));
}

/** What a request used of a device over all its runs, or why that is not known; and of its stages. */
interface RequestUse {
  amount: number | null;
  reason: AbsenceReason | null;
  stages: Map<number, number>;
}

export interface SharedUse {
  attribution: Attribution;
  byRequest: Map<number, RequestUse>;
}

/**
 * Shares out what a device used while requests ran. `weight` is how busy a part of a request kept the
 * device; it does not matter where requests run one at a time.
 */
export function shareUse(
  use: Pick<DeviceUse, 'curve' | 'metric'>,
  measured: Span,
  requests: readonly RequestRun[],
  weight: (part: RequestRun['parts'][number]) => Nanoseconds,
): SharedUse {
  const { curve, metric } = use;
  const parts = requests.flatMap((request) => request.parts.map((part) => ({ request, part })));
  const claims = parts.map(
    ({ part }, index): Claim => ({
      request: index,
      startNs: part.startNs,
      endNs: part.endNs,
      busyNs: weight(part),
    }),
  );
  const attribution = attribute({
    curve,
    ...measured,
    claims,
    quantum: metric === 'energy' ? quantum.joules : quantum.nanoseconds,
  });
  const byRequest = new Map<number, RequestUse>();
  for (const { id, startNs, endNs } of requests) {
    byRequest.set(id, { ...stated(curve, startNs, endNs), stages: new Map() });
  }
  for (const [index, { request, part }] of parts.entries()) {
    const amount = attribution.byRequest.get(index)!;
    const known = byRequest.get(request.id)!;
    if (known.amount !== null) known.amount += amount;
    if (part.stage !== null && stated(curve, part.startNs, part.endNs).amount !== null) {
      known.stages.set(part.stage, amount);
    }
  }
  return { attribution, byRequest };
}

/** 0 to add to where a window's figure is sharp enough to be stated; otherwise why it is not. */
function stated(
  curve: CumulativeCurve,
  startNs: Nanoseconds,
  endNs: Nanoseconds,
): { amount: number | null; reason: AbsenceReason | null } {
  const figure = curve.window(startNs, endNs);
  if (figure.value === null) return { amount: null, reason: figure.reason };
  return isSharp(figure) ? { amount: 0, reason: null } : { amount: null, reason: 'too-short' };
}
