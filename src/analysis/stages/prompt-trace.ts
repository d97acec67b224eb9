import type { WorkMetric } from '../../core/metrics.js';
import type { OkRequest, Stage } from '../../core/result.js';
import { studentTCritical } from '../../stats/student-t.js';
import { tableOfRequests } from '../requests/table-builder.js';
import { stageColumns } from './columns.js';
import { type Waterfall, waterfallOf } from './waterfall.js';

/** A figure over repetitions, with its 95% interval; `null` where there was but one. */
interface Repeated {
  value: number;
  low: number | null;
  high: number | null;
}

/** One prompt, stage by stage, in plain tokens measured beside it. */
export interface PromptTrace {
  metric: WorkMetric;
  repetitions: number;
  /** Work per billed token of the reference request. */
  plainToken: Repeated;
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
 * have them. Intervals are of the mean over repetitions, and hold the plain token's own noise.
 */
export function promptTrace(
  traced: readonly OkRequest[],
  reference: readonly OkRequest[],
  of: string,
): PromptTrace {
  const rows = [...traced, ...reference];
  const metric =
    preference.find((name) =>
      rows.every((row) => row.stages.every((stage) => (stage.work[name] ?? null) !== null)),
    ) ?? 'flops';
  const plain = sampleOf(
    reference.map(({ work, tokens }) => work[metric]! / (tokens.prompt + tokens.completion)),
  );
  const effectiveOf = (workOf: (row: OkRequest) => number) =>
    inPlainTokens(sampleOf(traced.map(workOf)), plain);
  const columns = stageColumns(tableOfRequests(traced));
  const waterfall = waterfallOf(columns, { of, metric, plainToken: plain.mean });
  const spent = (row: OkRequest, has: (stage: Stage) => boolean) =>
    row.stages.reduce((sum, stage) => sum + (has(stage) ? (stage.work[metric] ?? 0) : 0), 0);
  return {
    metric,
    repetitions: traced.length,
    plainToken: repeated(plain.mean, reach(plain)),
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

function positionsOf(rows: readonly OkRequest[], has: (stage: Stage) => boolean): number {
  const total = rows.reduce(
    (sum, { stages }) => sum + stages.reduce((all, stage) => all + (has(stage) ? stage.tokens : 0), 0),
    0,
  );
  return total / rows.length;
}

interface Sample {
  mean: number;
  /** Standard error of the mean; `null` below two values. */
  standardError: number | null;
  freedom: number;
}

function sampleOf(values: readonly number[]): Sample {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const freedom = values.length - 1;
  if (freedom < 1) return { mean, standardError: null, freedom };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, standardError: Math.sqrt(squares / freedom / values.length), freedom };
}

/** A ratio of means by the delta method, with the smaller sample's degrees of freedom. */
function inPlainTokens(work: Sample, plain: Sample): Repeated {
  const value = work.mean / plain.mean;
  if (work.standardError === null || plain.standardError === null) return repeated(value, null);
  const standardError = Math.hypot(work.standardError, value * plain.standardError) / plain.mean;
  return repeated(
    value,
    reach({ mean: value, standardError, freedom: Math.min(work.freedom, plain.freedom) }),
  );
}

function reach({ standardError, freedom }: Sample): number | null {
  return standardError === null ? null : studentTCritical(0.025, freedom) * standardError;
}

function repeated(value: number, reach: number | null): Repeated {
  return { value, low: reach === null ? null : value - reach, high: reach === null ? null : value + reach };
}
