import type { AbsenceReason } from '../../core/work.js';
import { type DeviceUse, devicesOf, isGpu, type SharedUse, shareUse, type UseMetric } from './devices.js';
import type { SamplingSetting } from './metric.js';
import type { BusySpan, Segment } from './segment.js';

/** The use of every device by the requests of one segment. */
export interface SegmentShares {
  devices: DeviceUse[];
  shared: { use: DeviceUse; shares: SharedUse }[];
  used: Map<number, UsedByRequest>;
}

export type UsedByRequest = Partial<Record<UseMetric, Used>> & { runs: number };

interface Figure {
  value: number | null;
  reason: AbsenceReason | null;
}

/** The use by one run of the request, over all devices that count. */
interface Used extends Figure {
  /** Of an amount that was told by regression, the devices' added up. */
  interval: readonly [low: number, high: number] | null;
  /** Keyed by their place in the row. */
  stages: Map<number, Figure>;
}

/** Shares out every device's use among the requests of a segment. */
export function shareSegment(segment: Segment, { concurrency, usesGpu }: SamplingSetting): SegmentShares {
  const { measured, requests } = segment;
  const devices = devicesOf(segment, usesGpu);
  if (measured === null) return { devices, shared: [], used: new Map() };
  const shared = devices.map((use) => {
    const weight = (part: BusySpan) => {
      const lasted = part.endNs - part.startNs;
      if (!use.counted) return 0;
      if (concurrency === 1) return lasted;
      return (isGpu(use.device) ? part.gpuNs : part.cpuNs) ?? lasted;
    };
    return { use, shares: shareUse(use, measured, requests, weight) };
  });
  const used = new Map(
    requests.map(({ id, spans }): [number, UsedByRequest] => {
      const runs = spans.length;
      const [energy, gpuTime] = [usedBy(id, 'energy', runs, shared), usedBy(id, 'gpuTime', runs, shared)];
      return [id, { energy, gpuTime, runs }];
    }),
  );
  return { devices, shared, used };
}

export function usedBy(id: number, metric: UseMetric, runs: number, shared: SegmentShares['shared']): Used {
  const uses = shared
    .filter(({ use }) => use.metric === metric && use.counted)
    .map(({ shares }) => shares.byRequest.get(id)!);
  const stages = [...(uses[0]?.stages.keys() ?? [])].map((stage): [number, Figure] => [
    stage,
    together(
      uses.map((use) => use.stages.get(stage)!),
      runs,
    ),
  ]);
  return { ...together(uses, runs), stages: new Map(stages), interval: intervalOf(uses) };
}

function intervalOf(uses: readonly { interval?: Used['interval'] }[]): Used['interval'] {
  const intervals = uses.flatMap(({ interval }) => (interval ? [interval] : []));
  if (intervals.length === 0 || intervals.length < uses.length) return null;
  return intervals.reduce(([low, high], own) => [low + own[0], high + own[1]]);
}

/** The sum over all devices for one run; absent where it is absent for any of them. */
function together(
  uses: readonly { amount: number | null; reason: AbsenceReason | null }[],
  runs: number,
): Figure {
  const reasons = uses.flatMap(({ reason }) => reason ?? []);
  const reason = reasons.find((found) => found !== 'too-short') ?? reasons[0] ?? null;
  if (uses.length === 0 || reason !== null) return { value: null, reason };
  return { value: uses.reduce((sum, { amount }) => sum + amount!, 0) / runs, reason: null };
}
