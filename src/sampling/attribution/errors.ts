import type { Warning } from '../../core/codes.js';
import type { AttributionError } from '../../core/records/sampling.js';
import { median } from '../../stats/quantile.js';
import { counterCurve } from '../counter-curve.js';
import { windowOfSpans } from '../repeated-window.js';
import { isSharp } from '../window.js';
import { attributionError } from './attribute.js';
import { type DeviceUse, shareUse } from './devices.js';
import type { AloneRun, Segment } from './segment.js';
import type { SegmentShares } from './shares.js';

interface Pair {
  shared: number;
  alone: number;
}

const aloneText = 'a window that holds only one of the same requests (medians by cell)';

/**
 * How far sharing out a counter among concurrent requests is off: the CPU time of the whole process by
 * overlap against each thread's own counter, and both it and energy against the same requests alone.
 * What requests really use differs a little between alone and together, and is in the latter.
 */
export function attributionErrors(
  segments: readonly Segment[],
  shares: readonly SegmentShares[],
  cellOf: ReadonlyMap<number, string>,
  concurrency: number,
): AttributionError[] {
  const own: Pair[] = [];
  const sharedCpu: [cell: string, value: number][] = [];
  const aloneCpu: [cell: string, value: number][] = [];
  const sharedEnergy: [cell: string, value: number][] = [];
  const aloneEnergy: [cell: string, value: number][] = [];
  for (const [index, segment] of segments.entries()) {
    for (const { id, value, ownNs } of sharedProcessTime(segment)) {
      sharedCpu.push([cellOf.get(id)!, value]);
      if (ownNs !== null) own.push({ shared: value, alone: ownNs });
    }
    for (const [id, { energy }] of shares[index]!.used) {
      if (energy && energy.value !== null) sharedEnergy.push([cellOf.get(id)!, energy.value]);
    }
    for (const run of segment.alone) {
      if (run.cpuNs !== null) aloneCpu.push([run.cell, run.cpuNs / run.spans.length]);
      const joules = energyAlone(run, shares[index]!.devices);
      if (joules !== null) aloneEnergy.push([run.cell, joules]);
    }
  }
  const cpuMethod = "share of the process's CPU time, by overlap";
  const energyMethod = 'share of the energy, weighted by CPU or GPU time';
  return [
    errorOf('cpuTime', cpuMethod, "the thread's own counter", own, concurrency),
    errorOf('cpuTime', cpuMethod, aloneText, byCell(sharedCpu, aloneCpu), concurrency),
    errorOf('energy', energyMethod, aloneText, byCell(sharedEnergy, aloneEnergy), concurrency),
  ].filter((error) => error !== null);
}

/** Said where nothing could be held against anything. */
export const untested: Warning = {
  code: 'attribution-untested',
  message:
    'The sharing among concurrent requests was not tested: no counter moved often enough while they ran.',
  hint: 'Use longer requests, or see which counters this machine has with: tokenwork doctor',
};

/** The CPU time of the process shared among its requests by overlap, as if no thread had a counter. */
function sharedProcessTime(segment: Segment): { id: number; value: number; ownNs: number | null }[] {
  const channel = segment.sensors
    .flatMap(({ channels }) => channels)
    .find(({ device, quantity }) => device === 'process' && quantity === 'cpuTime');
  if (!channel || segment.measured === null) return [];
  const curve = counterCurve(segment.series(channel), channel.counterPeriodNs);
  const { byRequest } = shareUse(
    { curve, metric: 'gpuTime' },
    segment.measured,
    segment.requests,
    ({ startNs, endNs }) => endNs - startNs,
  );
  return segment.requests.flatMap(({ id, spans: { length: runs }, cpuNs }) => {
    const { amount } = byRequest.get(id)!;
    if (amount === null) return [];
    return [{ id, value: amount / runs, ownNs: cpuNs === null ? null : cpuNs / runs }];
  });
}

function energyAlone({ spans }: AloneRun, devices: readonly DeviceUse[]): number | null {
  const counted = devices.filter(({ metric, counted: isCounted }) => metric === 'energy' && isCounted);
  if (counted.length === 0) return null;
  let joules = 0;
  for (const { curve } of counted) {
    const figure = windowOfSpans(curve, spans);
    if (figure.value === null || !isSharp(figure)) return null;
    joules += figure.value;
  }
  return joules / spans.length;
}

function byCell(shared: readonly [string, number][], alone: readonly [string, number][]): Pair[] {
  const medianIn = (list: readonly [string, number][], cell: string) =>
    median(list.flatMap(([of, value]) => (of === cell ? [value] : [])));
  return [...new Set(shared.map(([cell]) => cell))].flatMap((cell) => {
    const [one, other] = [medianIn(shared, cell), medianIn(alone, cell)];
    return one === null || other === null ? [] : [{ shared: one, alone: other }];
  });
}

function errorOf(
  metric: string,
  method: string,
  against: string,
  pairs: readonly Pair[],
  concurrency: number,
): AttributionError | null {
  const error = attributionError(pairs);
  return error && { metric, method, against, ...error, compared: pairs.length, concurrency };
}
