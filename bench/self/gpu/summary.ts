import { isOk, type OkRequest, type Result } from '#tokenwork/core/result.js';
import { median } from '#tokenwork/stats/quantile.js';

/** What a cell reached: medians over its requests; null where a figure lacks what it is made of. */
export interface Reached {
  cell: string;
  device: string;
  prefillTokensPerSecond: number | null;
  /** FLOP/s of the prefill ÷ the measured rate of matrix products in the type of the weights. */
  prefillMfu: number | null;
  decodeTokensPerSecond: number | null;
  /** Memory traffic of the decode per second ÷ the measured bandwidth. */
  decodeMbu: number | null;
  energyJ: number | null;
}

/** The figures of a result's cells, by its own ceilings. */
export function reachedIn(result: Result): Reached[] {
  const { ceilings } = result.hardware;
  return result.cells.map(({ id, model }) => {
    const { dtype, engine } = result.models.find((one) => one.id === model)!;
    const requests = result.requests.filter(isOk).filter(({ cell }) => cell === id);
    const each = (of: (request: OkRequest) => number | null) =>
      median(requests.flatMap((one) => of(one) ?? []));
    const share = (rate: number | null, most: number | undefined) =>
      rate === null || most === undefined ? null : rate / most;
    return {
      cell: id,
      device: engine.device,
      prefillTokensPerSecond: each((one) => perSecond(one, 'prefill', ({ tokens }) => tokens)),
      prefillMfu: share(
        each((one) => perSecond(one, 'prefill', ({ work }) => work.flops)),
        dtype === null ? undefined : ceilings?.gemm[dtype]?.value,
      ),
      decodeTokensPerSecond: each((one) => perSecond(one, 'decode', ({ tokens }) => tokens)),
      decodeMbu: share(
        each((one) => perSecond(one, 'decode', ({ work }) => work.memoryTraffic)),
        ceilings?.memoryBandwidth?.value,
      ),
      energyJ: each(({ work }) => work.energy ?? null),
    };
  });
}

type Stage = OkRequest['stages'][number];

function perSecond(
  { stages }: OkRequest,
  type: 'prefill' | 'decode',
  of: (stage: Stage) => number | null | undefined,
): number | null {
  const stage = stages.find((one) => one.type === type);
  const amount = stage === undefined ? null : (of(stage) ?? null);
  if (stage === undefined || amount === null) return null;
  return (amount * 1e9) / (stage.times.ended - stage.times.started);
}
