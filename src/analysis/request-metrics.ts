import type { Ceilings, OkRequest } from '../core/result.js';
import { absent, divide, type Figure, present } from './figure.js';

/** The fastest this machine was seen to be, for one model's dtype. */
export interface Roof {
  /** FLOP/s. */
  gemm: Figure;
  /** B/s. */
  bandwidth: Figure;
}

export function roofOf(ceilings: Ceilings | null, dtype: string): Roof {
  const rate = (quantity: { value: number } | null | undefined): Figure =>
    quantity ? present(quantity.value) : absent('no-ceiling');
  return { gemm: rate(ceilings?.gemm[dtype]), bandwidth: rate(ceilings?.memoryBandwidth) };
}

/** Tokens that the request is billed: prompt + completion, over all rows of its batch. */
export function billedTokens({ tokens }: OkRequest): number {
  return tokens.prompt + tokens.completion;
}

/** Waiting for a worker: started − submitted. */
export function queueWaitNs({ times }: OkRequest): number {
  return times.started - times.submitted;
}

/** Time to first token as the client sees it, from submission; without the wait, from `started`. */
export function timeToFirstTokenNs({ times }: OkRequest, from: 'submitted' | 'started'): number {
  return times.firstToken - times[from];
}

/**
 * E2E latency as the client sees it, from submission; without the wait (service time), from `started`. It
 * ends with the last stage, or with the last token in results from before stages came after it.
 */
export function endToEndNs({ times }: OkRequest, from: 'submitted' | 'started'): number {
  return (times.ended ?? times.lastToken) - times[from];
}

/** Model FLOPs utilisation: FLOPs ÷ (service time × GEMM rate of the model's dtype). */
export function flopsUtilisation(request: OkRequest, flops: Figure, roof: Roof): Figure {
  return divide(divide(flops, serviceSeconds(request), 'too-short'), roof.gemm, 'no-ceiling');
}

/** Model bandwidth utilisation: bytes moved ÷ (service time × streaming read bandwidth). */
export function bandwidthUtilisation(request: OkRequest, memoryTraffic: Figure, roof: Roof): Figure {
  return divide(divide(memoryTraffic, serviceSeconds(request), 'too-short'), roof.bandwidth, 'no-ceiling');
}

/**
 * Roofline time in ns: what the request must take at least on this machine, max(FLOPs ÷ GEMM rate, bytes ÷
 * bandwidth) of each stage, summed, as prefill is bound by arithmetic and decode by memory (Williams et
 * al. 2009). Where the stages do not carry all of the request's FLOPs and bytes, the request as a whole.
 */
export function rooflineTime(request: OkRequest, flops: Figure, memoryTraffic: Figure, roof: Roof): Figure {
  for (const part of [flops, memoryTraffic, roof.gemm, roof.bandwidth]) if (part.value === null) return part;
  const floorSeconds = (work: Amounts) =>
    Math.max(work.flops / roof.gemm.value!, work.memoryTraffic / roof.bandwidth.value!);
  const whole = { flops: flops.value!, memoryTraffic: memoryTraffic.value! };
  const stages = request.stages.map(({ work }) => ({
    flops: work.flops ?? 0,
    memoryTraffic: work.memoryTraffic ?? 0,
  }));
  const parts = addUpTo(stages, whole) ? stages : [whole];
  return present(parts.reduce((sum, part) => sum + floorSeconds(part), 0) * 1e9);
}

interface Amounts {
  flops: number;
  memoryTraffic: number;
}

function addUpTo(stages: readonly Amounts[], whole: Amounts): boolean {
  return (['flops', 'memoryTraffic'] as const).every((amount) => {
    const sum = stages.reduce((total, stage) => total + stage[amount], 0);
    return Math.abs(sum - whole[amount]) <= 1e-9 * whole[amount];
  });
}

function serviceSeconds(request: OkRequest): Figure {
  return present(endToEndNs(request, 'started') / 1e9);
}
