import type { WorkMetric } from '../../core/metrics.js';
import type { OkRequest, Stage } from '../../core/result.js';
import { tableOfRequests } from '../requests/table-builder.js';
import { stageColumns } from './columns.js';
import { type PromptCost, promptCost } from './prompt-cost.js';
import { meanOf, type Repeated, repeated } from './repeated.js';
import { type Waterfall, waterfallOf } from './waterfall.js';

/** One prompt, stage by stage, in plain tokens measured beside it. */
export interface PromptTrace {
  metric: WorkMetric;
  repetitions: number;
  cost: PromptCost;
  /** Work per billed token of the reference request. */
  plainToken: Repeated;
  /** The reference request. */
  reference: { cell: string; promptTokens: number; completionTokens: number };
  waterfall: Waterfall;
  effective: Repeated;
  /** As in the waterfall, which has the means. */
  stages: (Waterfall['stages'][number] & { interval: Repeated })[];
  claim: ClaimPart[];
}

/** A part of the claim, beside what was measured here; the parts add up to the last, which is all. */
export interface ClaimPart {
  part: string;
  /** Tokens of computation, as claimed; `null` where the claim is silent. */
  claimed: number | null;
  /** Positions that models evaluated: the pipeline's settings and the tokenizer's choice, hence input and no finding. */
  processed: number;
  effective: Repeated;
}

/** Asked in turn for what all stages of all requests measured. */
const preference: readonly WorkMetric[] = ['gpuTime', 'cpuTime', 'flops'];

/**
 * "Hello", 1 token in and 2 out, is said to carry about 89 tokens of computation: 20 for safety, 50 for context, 15
 * for verification, which leaves 4 for the answer. Nobody knows of a source; it is what people repeat.
 */
const claimed: Record<string, number | null> = {
  'safety checks': 20,
  verification: 15,
  context: 50,
  'hidden reasoning': null,
  'question and answer': 4,
  'all else': null,
};

/** Each stage belongs to one part, so that the parts add up. */
function partOf({ type, detail }: Stage): string {
  if (type === 'safety') return detail?.verified === undefined ? 'safety checks' : 'verification';
  if (type === 'retrieval') return 'context';
  if (type === 'reasoning') return 'hidden reasoning';
  return type === 'prefill' || type === 'decode' ? 'question and answer' : 'all else';
}

/**
 * What the requests of one prompt are worth, in plain tokens as the reference requests of the same run
 * have them, round by round: one in which either failed is left out. Intervals are of the mean
 * over rounds, and hold the plain token's own noise.
 */
export function promptTrace(
  tracedRows: readonly OkRequest[],
  referenceRows: readonly OkRequest[],
  of: string,
): PromptTrace {
  const [traced, reference] = inSharedRounds(tracedRows, referenceRows);
  const rows = [...traced, ...reference];
  const metric =
    preference.find((name) =>
      rows.every((row) => row.stages.every((stage) => (stage.work[name] ?? null) !== null)),
    ) ?? 'flops';
  const perToken = ({ work, tokens }: OkRequest) => work[metric]! / (tokens.prompt + tokens.completion);
  const plain = meanOf(reference.map(perToken));
  const plainOfRound = new Map(reference.map((row) => [row.repetition, perToken(row)]));
  const effectiveOf = (workOf: (row: OkRequest) => number) => {
    const work = meanOf(traced.map(workOf));
    const deviations = traced.flatMap((row) => {
      const beside = plainOfRound.get(row.repetition);
      return beside === undefined ? [] : [workOf(row) / work - beside / plain];
    });
    return work === 0 ? { value: 0, low: 0, high: 0 } : repeated(work / plain, deviations);
  };
  const columns = stageColumns(tableOfRequests(traced));
  const waterfall = waterfallOf(columns, { of, metric, plainToken: plain });
  const spent = (row: OkRequest, has: (stage: Stage) => boolean) =>
    row.stages.reduce((sum, stage) => sum + (has(stage) ? (stage.work[metric] ?? 0) : 0), 0);
  return {
    metric,
    repetitions: traced.length,
    cost: promptCost(traced),
    plainToken: repeated(
      plain,
      reference.map((row) => perToken(row) / plain - 1),
    ),
    reference: {
      cell: reference[0]!.cell,
      promptTokens: reference[0]!.tokens.prompt,
      completionTokens: reference[0]!.tokens.completion,
    },
    waterfall,
    effective: effectiveOf((row) => row.work[metric]!),
    stages: waterfall.stages.map((stage) => ({
      ...stage,
      interval: effectiveOf((row) => spent(row, ({ name }) => name === stage.name)),
    })),
    claim: [...Object.entries(claimed), ['all', 89] as const].map(([part, tokens]) => {
      const has = (stage: Stage) => part === 'all' || partOf(stage) === part;
      return {
        part,
        claimed: tokens,
        processed: positionsOf(traced, has),
        effective: effectiveOf((row) => spent(row, has)),
      };
    }),
  };
}

/** The rows of rounds in which both ran; all of them where none has both. */
function inSharedRounds(...sides: [readonly OkRequest[], readonly OkRequest[]]): [OkRequest[], OkRequest[]] {
  const [traced, reference] = sides.map((rows) => new Set(rows.map(({ repetition }) => repetition)));
  const shared = new Set([...traced!].filter((round) => reference!.has(round)));
  return sides.map((rows) =>
    rows.filter(({ repetition }) => shared.size === 0 || shared.has(repetition)),
  ) as [OkRequest[], OkRequest[]];
}

function positionsOf(rows: readonly OkRequest[], has: (stage: Stage) => boolean): number {
  const total = rows.reduce(
    (sum, { stages }) => sum + stages.reduce((all, stage) => all + (has(stage) ? stage.tokens : 0), 0),
    0,
  );
  return total / rows.length;
}
