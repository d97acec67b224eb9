import type { OkRequest } from '../core/result.js';
import { additiveMetrics, type Work } from '../core/work.js';

/** Where a request's stages do not add up to it. */
export interface LedgerMismatch {
  /** `tokens.processed`, `work.cpuTime`, `times` … */
  what: string;
  request: number;
  stages: number;
}

type Accounts = Pick<OkRequest, 'tokens' | 'stages'> & {
  work: Partial<Work>;
  times: { started: number; ended?: number | undefined };
};

/** Sums of floating-point numbers differ by the order they are summed in; integrals by a little more. */
const relativeRounding = 1e-7;

/**
 * Everything in which the stages of a request do not add up to it, and every token that is counted twice:
 * cached tokens are prompt tokens, reasoning tokens completion tokens. Empty for a sound request. Times
 * leave no gap between stages, within `resolutionNs` in all.
 */
export function ledgerMismatches(
  { tokens, stages, work, times }: Accounts,
  resolutionNs = 0,
): LedgerMismatch[] {
  const sum = (value: (stage: (typeof stages)[number]) => number) =>
    stages.reduce((total, stage) => total + value(stage), 0);
  const billed = tokens.prompt + tokens.completion;
  const mismatches = [
    equal(
      'tokens.processed',
      tokens.processed,
      sum((stage) => stage.tokens),
    ),
    equal(
      'billed tokens',
      billed,
      sum((stage) => stage.billed),
    ),
    equal('tokens.hidden', tokens.hidden, tokens.processed - billed),
    equal(
      'tokens.cached',
      tokens.cached,
      sum((stage) => stage.cached ?? 0),
    ),
    atMost('cached of prompt tokens', tokens.prompt, tokens.cached),
    atMost('reasoning of completion tokens', tokens.completion, tokens.reasoning),
    ...stages.map((stage) => atMost(`cached of ${stage.name}'s billed`, stage.billed, stage.cached ?? 0)),
    ...additiveMetrics.map((metric) => {
      const whole = work[metric];
      if (whole === null || whole === undefined) return null;
      const parts = stages.map((stage) => stage.work[metric]);
      if (parts.some((part) => part === null || part === undefined)) return null;
      return near(
        `work.${metric}`,
        whole,
        sum((stage) => stage.work[metric]!),
      );
    }),
    gaps(stages, times, resolutionNs),
  ];
  return mismatches.filter((mismatch) => mismatch !== null);
}

function gaps(
  stages: Accounts['stages'],
  { started, ended }: Accounts['times'],
  resolutionNs: number,
): LedgerMismatch | null {
  const begins = stages.map((stage) => stage.times.started);
  const ends = [started, ...stages.map((stage) => stage.times.ended)];
  if (ended !== undefined) begins.push(ended);
  const unaccounted = begins.reduce((total, begin, index) => total + Math.abs(begin - ends[index]!), 0);
  const whole = ends.at(-1)! - started;
  return unaccounted > resolutionNs ? { what: 'times', request: whole, stages: whole - unaccounted } : null;
}

function equal(what: string, request: number, stages: number): LedgerMismatch | null {
  return request === stages ? null : { what, request, stages };
}

function atMost(what: string, request: number, stages: number): LedgerMismatch | null {
  return stages <= request ? null : { what, request, stages };
}

function near(what: string, request: number, stages: number): LedgerMismatch | null {
  const tolerance = relativeRounding * Math.max(Math.abs(request), Math.abs(stages));
  return Math.abs(request - stages) <= tolerance ? null : { what, request, stages };
}
