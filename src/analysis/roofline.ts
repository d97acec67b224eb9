import { isOk, type Result } from '../core/result.js';
import { median } from '../stats/quantile.js';
import { type Roof, roofOf } from './request-metrics.js';

/** Shares of the machine's ceilings that a cell's stage reached: medians over its requests. */
export interface RooflinePoint {
  cell: string;
  stage: string;
  dtype: string;
  /** FLOP per byte moved. */
  intensity: number;
  flopsPerSecond: number;
  /** Share of min(GEMM rate, intensity × bandwidth), the most that is to be had at this intensity. */
  shareOfRoof: number;
}

export interface Roofline {
  roofs: { dtype: string; flopsPerSecond: number; bytesPerSecond: number }[];
  points: RooflinePoint[];
}

/** Achieved rates by cell and stage (Williams et al. 2009); `null` where no ceiling was measured. */
export function rooflineOf(result: Result): Roofline | null {
  const dtypeOf = new Map(result.models.map(({ id, dtype }) => [id, dtype]));
  const dtypes = [...new Set(result.models.flatMap(({ dtype }) => dtype ?? []))];
  const roofs = new Map<string, { flopsPerSecond: number; bytesPerSecond: number }>();
  for (const dtype of dtypes) {
    const { gemm, bandwidth }: Roof = roofOf(result.hardware.ceilings, dtype);
    if (gemm.value === null || bandwidth.value === null) continue;
    roofs.set(dtype, { flopsPerSecond: gemm.value, bytesPerSecond: bandwidth.value });
  }
  const modelOf = new Map(result.cells.map(({ id, model }) => [id, model]));
  const rates = ratesByStage(result);
  const points = rates.flatMap(({ cell, stage, intensities, flopRates }) => {
    const dtype = dtypeOf.get(modelOf.get(cell) ?? '') ?? '';
    const roof = roofs.get(dtype);
    if (roof === undefined) return [];
    const intensity = median(intensities)!;
    const flopsPerSecond = median(flopRates)!;
    const most = Math.min(roof.flopsPerSecond, intensity * roof.bytesPerSecond);
    return [{ cell, stage, dtype, intensity, flopsPerSecond, shareOfRoof: flopsPerSecond / most }];
  });
  if (points.length === 0) return null;
  return { roofs: [...roofs].map(([dtype, roof]) => ({ dtype, ...roof })), points };
}

interface Rates {
  cell: string;
  stage: string;
  intensities: number[];
  flopRates: number[];
}

/** Stages that computed something; the request as a whole where it names no stage. */
function ratesByStage({ requests }: Result): Rates[] {
  // By cell, then by stage: a key made of both would cost more than all the rest.
  const rates = new Map<string, Map<string, Rates>>();
  for (const request of requests) {
    if (!isOk(request)) continue;
    const { started, lastToken } = request.times;
    const whole = { name: 'request', times: { started, ended: lastToken }, work: request.work };
    for (const { name, times, work } of request.stages.length > 0 ? request.stages : [whole]) {
      const { flops, memoryTraffic } = work;
      const seconds = (times.ended - times.started) / 1e9;
      if (!flops || !memoryTraffic || !(seconds > 0)) continue;
      const own = rates.get(request.cell) ?? new Map<string, Rates>();
      rates.set(request.cell, own);
      const known = own.get(name) ?? { cell: request.cell, stage: name, intensities: [], flopRates: [] };
      own.set(name, known);
      known.intensities.push(flops / memoryTraffic);
      known.flopRates.push(flops / seconds);
    }
  }
  return [...rates.values()].flatMap((own) => [...own.values()]);
}
