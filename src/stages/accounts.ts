import type { CostModel } from '../core/cost.js';
import type { Stage, Tokens } from '../core/result.js';
import type { Nanoseconds } from '../core/units.js';
import type { Work } from '../core/work.js';
import type { DecodedRows } from './decode.js';
import { cpuBetween, type Reading } from './instruments.js';
import { costOfSteps, heldByteSeconds, type StepTrace, singleTokenSteps } from './step-costs.js';

/** What is known of a request once it has run. */
export interface RequestTrace {
  batch: number;
  /** Per row. */
  promptTokens: number;
  decoded: DecodedRows;
  steps: StepTrace;
  boundaries: { started: Reading; tokenized: Reading; prefilled: Reading; ended: Reading };
}

export interface RequestAccounts {
  tokens: Tokens;
  stages: Stage[];
  /** Peak memory is measured around the request and stands in no stage. */
  work: Omit<Work, 'peakMemory'>;
}

/**
 * Charges each stage with its tokens and its work. The stages add up to the request: in tokens to
 * `processed`, in what is billed to prompt + completion, in every kind of work to the request's.
 *
 * Tokens count every row of the batch. `processed` counts the positions consumed (the prompt) and those
 * produced (the completion). The last token chosen is billed without being fed back, so it costs no
 * forward pass; rows of a batch that end early are computed along, and those positions are hidden.
 */
export function accountRequest(trace: RequestTrace, cost: CostModel): RequestAccounts {
  const { batch, promptTokens, decoded, steps, boundaries } = trace;
  const { started, tokenized, prefilled, ended } = boundaries;
  const prompt = batch * promptTokens;
  const completion = decoded.completions.reduce((sum, row) => sum + row.length, 0);
  const produced = batch * (decoded.steps + 1);
  const promptKvBytes = steps.kvBytes[0]!;
  const kvBytes = steps.kvBytes.at(-1)!;

  const stages: Stage[] = [
    {
      name: 'tokenization',
      visible: false,
      tokens: 0,
      billed: 0,
      ...between(started, tokenized, { flops: 0, bytesMoved: 0, kvBytes: 0, kvByteSeconds: 0 }),
    },
    {
      name: 'prefill',
      visible: true,
      tokens: prompt,
      billed: prompt,
      ...between(tokenized, prefilled, {
        ...costOfSteps(cost, [{ batch, newTokens: promptTokens, pastTokens: 0 }]),
        kvBytes: promptKvBytes,
        kvByteSeconds: heldByteSeconds(steps, tokenized.atNs, prefilled.atNs),
      }),
    },
    {
      name: 'decode',
      visible: true,
      tokens: produced,
      billed: completion,
      ...between(prefilled, ended, {
        ...costOfSteps(cost, singleTokenSteps(batch, promptTokens, decoded.steps)),
        kvBytes: kvBytes - promptKvBytes,
        kvByteSeconds: heldByteSeconds(steps, prefilled.atNs, ended.atNs),
      }),
    },
  ];
  const total = (metric: 'flops' | 'bytesMoved' | 'kvByteSeconds') =>
    stages.reduce((sum, stage) => sum + stage.work[metric]!, 0);
  const processed = prompt + produced;
  return {
    tokens: {
      prompt,
      completion,
      cached: 0,
      reasoning: 0,
      processed,
      hidden: processed - prompt - completion,
    },
    stages,
    work: {
      cpuTime: cpuBetween(started, ended),
      gpuTime: null,
      energy: null,
      kvBytes,
      kvByteSeconds: total('kvByteSeconds'),
      flops: total('flops'),
      bytesMoved: total('bytesMoved'),
    },
  };
}

function between(from: Reading, to: Reading, work: Partial<Work>): Pick<Stage, 'times' | 'work'> {
  return {
    times: { started: from.atNs, ended: to.atNs },
    work: { cpuTime: cpuBetween(from, to), ...work },
  };
}

/** Gaps between consecutive tokens. */
export function tokenGaps(steps: StepTrace): Nanoseconds[] {
  return steps.timesNs.slice(1).map((timeNs, index) => timeNs - steps.timesNs[index]!);
}
