import type { AbsenceReason } from '../core/work.js';
import { type DeviceUse, devicesOf, isGpu, type SharedUse, shareUse, type UseMetric } from './device-use.js';
import type { RequestRun, SampledStretch } from './sampled-stretch.js';
import type { SamplingSetting } from './sampling-metrics.js';

/** What the requests of one stretch used of every device. */
export interface StretchShares {
  devices: DeviceUse[];
  shared: { use: DeviceUse; shares: SharedUse }[];
  used: Map<number, UsedByRequest>;
}

export type UsedByRequest = Record<UseMetric, Used> & { runs: number };

interface Used {
  /** Of one run of the request, over all devices that count. */
  value: number | null;
  reason: AbsenceReason | null;
  stages: Map<number, number>;
}

/** Shares out every device's use among the requests of a stretch. */
export function shareStretch(
  stretch: SampledStretch,
  { concurrency, usesGpu }: SamplingSetting,
): StretchShares {
  const { measured, requests } = stretch;
  const devices = devicesOf(stretch, usesGpu);
  if (measured === null) return { devices, shared: [], used: new Map() };
  const shared = devices.map((use) => {
    const weight = (part: RequestRun['parts'][number]) => {
      const lasted = part.endNs - part.startNs;
      if (!use.counted) return 0;
      if (concurrency === 1) return lasted;
      return (isGpu(use.device) ? part.gpuNs : part.cpuNs) ?? lasted;
    };
    return { use, shares: shareUse(use, measured, requests, weight) };
  });
  const used = new Map(
    requests.map(({ id, runs }): [number, UsedByRequest] => [
      id,
      { energy: usedBy(id, 'energy', runs, shared), gpuTime: usedBy(id, 'gpuTime', runs, shared), runs },
    ]),
  );
  return { devices, shared, used };
}

function usedBy(id: number, metric: UseMetric, runs: number, shared: StretchShares['shared']): Used {
  const uses = shared
    .filter(({ use }) => use.metric === metric && use.counted)
    .map(({ shares }) => shares.byRequest.get(id)!);
  const reasons = uses.flatMap(({ reason }) => reason ?? []);
  const reason = reasons.find((found) => found !== 'too-short') ?? reasons[0] ?? null;
  if (uses.length === 0 || reason !== null) return { value: null, reason, stages: new Map() };
  const stages = new Map<number, number>();
  for (const stage of uses[0]!.stages.keys()) {
    if (uses.every((use) => use.stages.has(stage))) {
      stages.set(
        stage,
        uses.reduce((sum, use) => sum + use.stages.get(stage)!, 0),
      );
    }
  }
  return { value: uses.reduce((sum, { amount }) => sum + amount!, 0) / runs, reason: null, stages };
}
