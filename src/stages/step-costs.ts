import { bytesOf, type CostModel, flopsOf, totalBytes } from '../core/cost.js';
import type { StepShape } from '../core/polynomial.js';
import type { ByteSeconds, Bytes, Flop, Nanoseconds } from '../core/units.js';

export interface StepCosts {
  /** `matmul` convention. */
  flops: Flop;
  bytesMoved: Bytes;
}

/** What a run of forward passes costs, each of them counted by the model's cost polynomials. */
export function costOfSteps(cost: CostModel, steps: Iterable<StepShape>): StepCosts {
  let flops = 0;
  let bytesMoved = 0;
  for (const step of steps) {
    flops += flopsOf(cost, step).matmul;
    bytesMoved += totalBytes(bytesOf(cost, step));
  }
  return { flops, bytesMoved };
}

/** The shapes of `count` steps of one token each, the first after `pastTokens` positions. */
export function* singleTokenSteps(batch: number, pastTokens: number, count: number): Iterable<StepShape> {
  for (let step = 0; step < count; step++) yield { batch, newTokens: 1, pastTokens: pastTokens + step };
}

/** One entry per step: when its tokens were chosen, and what the cache held then. */
export interface StepTrace {
  timesNs: Nanoseconds[];
  kvBytes: Bytes[];
}

/**
 * The bytes held between `fromNs` and `toNs`, integrated exactly. A step's positions count from its start
 * on: there must be room for all it writes while it runs, and a prompt that is long to compute holds its
 * cache no less for that. Before the first step nothing is held, so `fromNs` lies no earlier than it.
 */
export function heldByteSeconds(trace: StepTrace, fromNs: Nanoseconds, toNs: Nanoseconds): ByteSeconds {
  const { timesNs, kvBytes } = trace;
  let byteNs = 0;
  for (const [step, bytes] of kvBytes.entries()) {
    const heldFromNs = Math.max(timesNs[step - 1] ?? fromNs, fromNs);
    const heldToNs = step === kvBytes.length - 1 ? toNs : Math.min(timesNs[step]!, toNs);
    if (heldToNs > heldFromNs) byteNs += bytes * (heldToNs - heldFromNs);
  }
  return byteNs / 1e9;
}
