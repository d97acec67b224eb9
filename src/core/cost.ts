import { z } from 'zod';
import type { Bytes, Flop } from './units.js';

/**
 * A polynomial in batch b, new tokens n and past tokens p, as a sum of `coefficient · b^i · n^j · p^k`.
 * What one forward pass of a decoder costs is such a polynomial, so it is derived once per graph and
 * evaluated per step.
 */
const polynomialSchema = z.array(
  z.strictObject({
    coefficient: z.number(),
    batch: z.int().min(0),
    newTokens: z.int().min(0),
    pastTokens: z.int().min(0),
  }),
);
export type Polynomial = z.infer<typeof polynomialSchema>;

/** One forward pass: `batch` rows, each with `newTokens` positions after `pastTokens` cached ones. */
export interface StepShape {
  batch: number;
  newTokens: number;
  pastTokens: number;
}

export function evaluate(polynomial: Polynomial, at: StepShape): number {
  let sum = 0;
  for (const term of polynomial) {
    sum +=
      term.coefficient *
      at.batch ** term.batch *
      at.newTokens ** term.newTokens *
      at.pastTokens ** term.pastTokens;
  }
  return sum;
}

/** FLOPs of one forward pass, by convention. */
export interface FlopCount {
  /** Matrix products only, over the full n × (p+n) attention rectangle. */
  matmul: Flop;
  /** As the kernels run it: `matmul` plus what they compute beyond it. */
  executed: Flop;
  /** Only what causality needs: the attention rectangle's masked half left out. */
  causal: Flop;
  /** Elementwise and reduction ops, listed apart and in none of the others. */
  elementwise: Flop;
}

/** Bytes moved by one forward pass. */
export interface ByteCount {
  weights: Bytes;
  kvRead: Bytes;
  kvWritten: Bytes;
  activations: Bytes;
}

/**
 * Experts of a mixture: all experts' weight bytes are left out of `bytes.weights` and charged for the
 * distinct experts a pass touches.
 */
const mixtureSchema = z.strictObject({
  layers: z.int().positive(),
  experts: z.int().positive(),
  expertsPerToken: z.int().positive(),
  bytesPerExpert: z.number().nonnegative(),
});
export type Mixture = z.infer<typeof mixtureSchema>;

/** The cost of a graph, as exact functions of (batch, new tokens, past tokens). */
export const costModelSchema = z.strictObject({
  flops: z.strictObject({
    matmul: polynomialSchema,
    executed: polynomialSchema,
    causal: polynomialSchema,
    elementwise: polynomialSchema,
  }),
  bytes: z.strictObject({
    weights: polynomialSchema,
    kvRead: polynomialSchema,
    kvWritten: polynomialSchema,
    activations: polynomialSchema,
  }),
  mixture: mixtureSchema.nullable(),
  parameters: z.int().nonnegative(),
  kvBytesPerToken: z.number().nonnegative(),
  /**
   * Positions of the smallest sliding window: with more than these, the window hides part of what `causal` and
   * `elementwise` count. Absent: there is none.
   */
  slidingWindow: z.int().positive().optional(),
  /**
   * Tokens of all rows that are computed together at most. A pass of more is computed in parts, each of which reads
   * what is cached by then, and all but the first these bytes of weights once more. Absent: there are no parts.
   */
  parts: z.strictObject({ tokens: z.int().positive(), weights: z.number().nonnegative() }).optional(),
  /** Why the polynomials are not what a pass costs, in words; FLOPs and bytes of the model are then `null`. */
  notCounted: z.string().optional(),
});
export type CostModel = z.infer<typeof costModelSchema>;

/** FLOPs of one forward pass. */
export function flopsOf(cost: CostModel, step: StepShape): FlopCount {
  return evaluateAll(cost.flops, step);
}

/**
 * Bytes moved by one forward pass. For a mixture, `distinctExperts` is the number of distinct experts
 * touched per layer; without it, the expectation under uniform routing, E·(1 − (1 − k/E)^(b·n)), is used.
 */
export function bytesOf(cost: CostModel, step: StepShape, distinctExperts?: number): ByteCount {
  const bytes: ByteCount = evaluateAll(cost.bytes, step);
  const parts = partsOf(cost, step);
  const sum = (of: (part: StepShape) => number) => parts.reduce((total, part) => total + of(part), 0);
  if (parts.length > 1) {
    bytes.weights += (parts.length - 1) * cost.parts!.weights;
    bytes.kvRead = sum((part) => evaluate(cost.bytes.kvRead, part));
  }
  const { mixture } = cost;
  if (mixture === null) return bytes;
  const touched =
    distinctExperts ?? sum(({ batch, newTokens }) => expectedDistinctExperts(mixture, batch * newTokens));
  return { ...bytes, weights: bytes.weights + mixture.layers * touched * mixture.bytesPerExpert };
}

/** The parts that a pass is computed in, one after another: each takes as many tokens of every row as fit. */
function partsOf({ parts }: Pick<CostModel, 'parts'>, step: StepShape): StepShape[] {
  const { batch, newTokens, pastTokens } = step;
  const most = parts === undefined ? newTokens : Math.max(1, Math.floor(parts.tokens / batch));
  if (newTokens <= most) return [step];
  return Array.from({ length: Math.ceil(newTokens / most) }, (_, index) => ({
    batch,
    newTokens: Math.min(most, newTokens - index * most),
    pastTokens: pastTokens + index * most,
  }));
}

/** The part that memory must carry: no cache keeps the weights and the KV cache from one pass to the next. */
export function memoryTrafficOf({ weights, kvRead, kvWritten }: ByteCount): Bytes {
  return weights + kvRead + kvWritten;
}

/** Expected number of distinct experts that `tokens` tokens touch when each picks k of E uniformly. */
export function expectedDistinctExperts(mixture: Mixture, tokens: number): number {
  const { experts, expertsPerToken } = mixture;
  return experts * (1 - (1 - expertsPerToken / experts) ** tokens);
}

function evaluateAll<Key extends string>(
  polynomials: Record<Key, Polynomial>,
  step: StepShape,
): Record<Key, number> {
  const values = {} as Record<Key, number>;
  for (const key of Object.keys(polynomials) as Key[]) values[key] = evaluate(polynomials[key], step);
  return values;
}
