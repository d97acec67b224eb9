/**
 * The ledger of a request that a server answered: what the model had to compute, from the tokens that the server
 * reports and the shape of the model, and never from time. Passes are counted as a local run counts them, and
 * as if alone: weights that a server reads once for many requests are charged to each of them in full.
 */
import { bytesOf, type CostModel, flopsOf, memoryTrafficOf, type StepShape } from '../core/cost.js';
import type { WorkMetric } from '../core/metrics.js';
import type { OkRequest, Stage, StageType } from '../core/result.js';
import type { Nanoseconds } from '../core/units.js';
import { notCounted, type Work } from '../core/work.js';
import type { CountedCosts } from './step-costs.js';

/** Tokens of a request as a server counts them. */
export interface ServedCounts {
  prompt: number;
  /** ⊂ prompt. */
  cached: number;
  completion: number;
  /** ⊂ completion. */
  reasoning: number;
  /** Draft tokens, and those of them that became part of the completion; null where nothing tells. */
  drafted: number | null;
  accepted: number | null;
}

/** Times of a request in ns, on one clock. */
export interface ServedTimes {
  submitted: Nanoseconds;
  started: Nanoseconds;
  /** First token of any channel. */
  firstToken: Nanoseconds;
  /** First of the answer; null where reasoning was not streamed apart from it. */
  answerToken: Nanoseconds | null;
  lastToken: Nanoseconds;
  ended: Nanoseconds;
}

export type ServedLedger = Pick<OkRequest, 'tokens' | 'stages' | 'absent'> & { work: Work };

/** A stage, and what its passes did. */
interface Stretch {
  stage: Pick<Stage, 'name' | 'tokens' | 'billed' | 'cached' | 'detail'> & { type: StageType };
  from: Nanoseconds;
  to: Nanoseconds;
  /** Positions in the KV cache when it began. */
  past: number;
  /** Positions that it left there. */
  kept: number;
  passes: Passes;
  /** Positions held × ns; null where nothing tells when they came. */
  heldNs: number | null;
}

/** Equal passes of one sequence; of such the cost is that of the one in the middle, times their number. */
interface Passes {
  count: number;
  newTokens: number;
  /** Of the one in the middle. */
  pastTokens: number;
  /** Whether every position's logits are computed, as where drafts are verified. */
  allLogits: boolean;
}

/**
 * Tokens, stages and derived work of a request to a server. `cost` null: nothing says what shape the model has, and
 * derived work is `not-counted`. The last token is never fed back, so a completion takes a pass less than it has
 * tokens. Rejected draft tokens are positions that the model evaluated all the same, and are taken as spread evenly
 * over the rounds; what a draft model computed is not in it, as no server tells its shape.
 */
export function servedLedger(cost: CostModel | null, counts: ServedCounts, times: ServedTimes): ServedLedger {
  const { prompt, completion, cached, reasoning } = counts;
  const stretches = [prefillOf(counts, times), ...completionOf(counts, times)];
  // Reasoning that was not streamed ended when nobody looked, and what the cache held until then is not known.
  const unseen = reasoning > 0 && reasoning < completion && times.answerToken === null;
  if (unseen) for (const stretch of stretches) stretch.heldNs = null;
  const stages = stretches.map((stretch) => stageOf(cost, stretch));
  const processed = stages.reduce((sum, { tokens }) => sum + tokens, 0);
  const absent = absentOf(cost, unseen);
  return {
    tokens: { prompt, completion, cached, reasoning, processed, hidden: processed - prompt - completion },
    stages,
    work: {
      cpuTime: null,
      gpuTime: null,
      energy: null,
      peakMemory: null,
      kvBytes: sumOf(stages, 'kvBytes'),
      kvByteSeconds: sumOf(stages, 'kvByteSeconds'),
      flops: sumOf(stages, 'flops'),
      memoryTraffic: sumOf(stages, 'memoryTraffic'),
      activationBytes: sumOf(stages, 'activationBytes'),
    },
    ...(absent && { absent }),
  };
}

function prefillOf({ prompt, cached, completion }: ServedCounts, times: ServedTimes): Stretch {
  // A prompt that is cached to its end takes a position all the same: a token is chosen after a pass.
  const tokens = Math.max(completion > 0 && prompt > 0 ? 1 : 0, prompt - cached);
  const [from, to] = [times.started, times.firstToken];
  return {
    stage: { name: 'prefill', type: 'prefill', tokens, billed: prompt, ...(cached > 0 && { cached }) },
    ...{ from, to, past: 0, kept: prompt },
    passes: {
      count: tokens > 0 ? 1 : 0,
      newTokens: tokens,
      pastTokens: prompt - tokens,
      allLogits: false,
    },
    heldNs: prompt * (to - from),
  };
}

/** Reasoning, where there was some, and the answer. */
function completionOf(counts: ServedCounts, times: ServedTimes): Stretch[] {
  const { prompt, completion, reasoning } = counts;
  const { firstToken, lastToken, ended } = times;
  const kept = Math.max(0, completion - 1);
  const thought = Math.min(reasoning, kept);
  const [drafted, accepted] = [counts.drafted ?? 0, counts.accepted ?? 0];
  const early = (amount: number) => (kept === 0 ? 0 : Math.round((amount * thought) / kept));
  const answer = {
    ...{ type: drafted > 0 ? ('speculation' as const) : ('decode' as const), billed: completion - reasoning },
    ...{ kept: kept - thought, drafted: drafted - early(drafted), accepted: accepted - early(accepted) },
  };
  if (reasoning === 0) return [stretchOf('decode', answer, prompt, firstToken, lastToken, ended)];
  const turn = times.answerToken ?? (reasoning === completion ? lastToken : firstToken);
  const reasoned = {
    ...{ type: 'reasoning' as const, billed: reasoning },
    ...{ kept: thought, drafted: early(drafted), accepted: early(accepted) },
  };
  return [
    stretchOf('reasoning', reasoned, prompt, firstToken, turn, turn),
    stretchOf('decode', answer, prompt + thought, turn, lastToken, ended),
  ];
}

/** Positions come evenly until `grownUntil`, each held from the start of its pass on; from then on all are. */
function stretchOf(
  name: string,
  part: { type: StageType; billed: number; kept: number; drafted: number; accepted: number },
  past: number,
  from: Nanoseconds,
  grownUntil: Nanoseconds,
  to: Nanoseconds,
): Stretch {
  const { type, billed, kept, drafted, accepted } = part;
  const rejected = drafted - accepted;
  // Each round of draft and verify gives the accepted tokens and one of the model's own.
  const count = drafted === 0 ? kept : Math.max(1, kept - accepted);
  const meanHeld = kept === 0 ? past : past + (kept + 1) / 2;
  return {
    stage: {
      ...{ name, type, tokens: billed + rejected, billed },
      ...(drafted > 0 && { detail: { drafted, accepted, rejected } }),
    },
    ...{ from, to, past, kept },
    passes: {
      count,
      newTokens: count === 0 ? 0 : (kept + rejected) / count,
      pastTokens: count === 0 ? 0 : past + (kept - kept / count) / 2,
      allLogits: drafted > 0,
    },
    heldNs: meanHeld * (grownUntil - from) + (past + kept) * (to - grownUntil),
  };
}

function stageOf(cost: CostModel | null, { stage, from, to, kept, passes, heldNs }: Stretch): Stage {
  const absent = absentOf(cost, heldNs === null);
  return {
    ...stage,
    visible: true,
    times: { started: from, ended: to },
    work: {
      ...costOf(cost, passes),
      kvBytes: cost && kept * cost.kvBytesPerToken,
      kvByteSeconds: cost && heldNs !== null ? (heldNs * cost.kvBytesPerToken) / 1e9 : null,
    },
    ...(absent && { absent }),
  };
}

/**
 * Costs are polynomials of the first degree in past tokens (models/cost/fit-polynomial.ts), so that passes which go
 * up by equal steps cost as many times the one in the middle.
 */
function costOf(cost: CostModel | null, { count, allLogits, ...shape }: Passes): CountedCosts {
  if (cost === null || cost.notCounted !== undefined)
    return { flops: null, memoryTraffic: null, activationBytes: null };
  if (count === 0) return { flops: 0, memoryTraffic: 0, activationBytes: 0 };
  const step: StepShape = { batch: 1, ...shape };
  const flops = flopsOf(allLogits ? withAllLogits(cost) : cost, step).matmul;
  const bytes = bytesOf(cost, step);
  return {
    flops: count * flops,
    memoryTraffic: count * memoryTrafficOf(bytes),
    activationBytes: count * bytes.activations,
  };
}

/** The output head of all positions: of matrix products, it alone is computed once a pass where logits are of the last. */
function withAllLogits({ flops, ...cost }: CostModel): CostModel {
  const matmul = flops.matmul.map((term) =>
    term.newTokens === 0 && term.pastTokens === 0 ? { ...term, newTokens: 1 } : term,
  );
  return { ...cost, flops: { ...flops, matmul } };
}

function absentOf(cost: CostModel | null, unseen: boolean): OkRequest['absent'] {
  const absent = {
    ...((cost === null || cost.notCounted !== undefined) && notCounted),
    ...(unseen && { kvByteSeconds: 'unsupported' as const }),
    ...(cost === null && { kvBytes: 'not-counted' as const, kvByteSeconds: 'not-counted' as const }),
  };
  return Object.keys(absent).length > 0 ? absent : undefined;
}

function sumOf(stages: readonly Stage[], metric: WorkMetric): number | null {
  let sum = 0;
  for (const { work } of stages) {
    const own = work[metric] ?? null;
    if (own === null) return null;
    sum += own;
  }
  return sum;
}
