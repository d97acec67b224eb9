import type { StepShape } from '../core/cost.js';
import { bytesOf, type CostModel, expectedDistinctExperts, flopsOf, memoryTrafficOf } from '../core/cost.js';
import type { ByteSeconds, Bytes, Flop, Nanoseconds } from '../core/units.js';

/** One forward pass of a model. */
export interface Pass {
  cost: CostModel;
  shape: StepShape;
  /** Experts of a mixture, per layer, as its router chose; absent where the model does not show it. */
  distinctExperts?: number;
}

export interface StepCosts {
  /** `matmul` convention. */
  flops: Flop;
  /** Weights and KV cache. */
  memoryTraffic: Bytes;
  activationBytes: Bytes;
}

/** The same of what was not counted exactly by all of its models: a part of a sum is no sum. */
export type CountedCosts = { [Amount in keyof StepCosts]: StepCosts[Amount] | null };

/** The number of experts of a mixture that passes read, and how that is known. */
export interface ExpertsTouched {
  /** Mean over passes, per layer. */
  distinctExperts: number;
  expertsFrom: 'router' | 'expectation' | 'router, expectation';
}

/**
 * The cost of forward passes, each counted by its own model's cost polynomials. Weights of a mixture are
 * charged for the distinct experts a pass touched, or for the number expected under uniform routing.
 * `computed` is work beside the passes, counted by whoever did it. Where the model of a pass could not be
 * counted exactly, FLOPs and bytes are null.
 */
export function costOfPasses(
  passes: Iterable<Pass>,
  computed: Iterable<StepCosts> = [],
): CountedCosts & { experts: ExpertsTouched | null } {
  const noted = [...passes];
  const exact = noted.every(({ cost }) => cost.notCounted === undefined);
  const costs = sumOf(noted, computed);
  return exact ? costs : { flops: null, memoryTraffic: null, activationBytes: null, experts: costs.experts };
}

function sumOf(
  passes: readonly Pass[],
  computed: Iterable<StepCosts> = [],
): StepCosts & { experts: ExpertsTouched | null } {
  const sum: StepCosts = { flops: 0, memoryTraffic: 0, activationBytes: 0 };
  for (const costs of computed) {
    sum.flops += costs.flops;
    sum.memoryTraffic += costs.memoryTraffic;
    sum.activationBytes += costs.activationBytes;
  }
  let [touched, mixtures, measured] = [0, 0, 0];
  for (const { cost, shape, distinctExperts } of passes) {
    sum.flops += flopsOf(cost, shape).matmul;
    const bytes = bytesOf(cost, shape, distinctExperts);
    sum.memoryTraffic += memoryTrafficOf(bytes);
    sum.activationBytes += bytes.activations;
    if (cost.mixture === null) continue;
    mixtures++;
    if (distinctExperts !== undefined) measured++;
    touched += distinctExperts ?? expectedDistinctExperts(cost.mixture, shape.batch * shape.newTokens);
  }
  if (mixtures === 0) return { ...sum, experts: null };
  const expertsFrom =
    measured === 0 ? 'expectation' : measured === mixtures ? 'router' : 'router, expectation';
  return { ...sum, experts: { distinctExperts: touched / mixtures, expertsFrom } };
}

/**
 * What steps of one model cost, whose experts are not known. Of a model that could not be counted exactly it is
 * what was counted: good for what to expect, not for a figure.
 */
export function costOfSteps(cost: CostModel, steps: Iterable<StepShape>): StepCosts {
  const { experts: _experts, ...costs } = sumOf(Array.from(steps, (shape) => ({ cost, shape })));
  return costs;
}

/** The shapes of `count` steps of one token each, the first after `pastTokens` positions. */
export function* singleTokenSteps(batch: number, pastTokens: number, count: number): Iterable<StepShape> {
  for (let step = 0; step < count; step++) yield { batch, newTokens: 1, pastTokens: pastTokens + step };
}

/** The bytes that caches held in a segment of time, from the end of the segment before. */
export interface Holding {
  untilNs: Nanoseconds;
  bytes: Bytes;
}

/**
 * The bytes held over adjoining segments, the first from `fromNs` on, integrated exactly. A pass's
 * positions count from its start on: there must be room for all it writes while it runs, and a prompt
 * that is long to compute holds its cache no less for that.
 */
export function heldByteSeconds(holdings: Iterable<Holding>, fromNs: Nanoseconds): ByteSeconds {
  let byteNs = 0;
  let since = fromNs;
  for (const { untilNs, bytes } of holdings) {
    byteNs += bytes * (untilNs - since);
    since = untilNs;
  }
  return byteNs / 1e9;
}
