import type { OkRequest } from '../../core/result.js';
import { endToEndNs, timeToFirstTokenNs } from '../request-metrics.js';
import { type Repeated, repeatedMean } from './repeated.js';
import type { Waterfall } from './waterfall.js';

/** The cost of a prompt to whoever waits, and to the machine; means over repetitions, `null` where not measured. */
export interface PromptCost {
  promptTokens: number;
  completionTokens: number;
  /** ns, from the start of the request to the end of its last stage. */
  latency: Repeated;
  /** ns, from the same start. */
  firstToken: Repeated;
  /** 1 ÷ time per output token, of the answer; `null` for an answer of one token. */
  tokensPerSecond: Repeated | null;
  /** ns */
  cpuTime: Repeated | null;
  /** ns */
  gpuTime: Repeated | null;
  /** J */
  energy: Repeated | null;
}

/** Of requests that are alike. */
export function promptCost(rows: readonly OkRequest[]): PromptCost {
  const { prompt, completion } = rows[0]!.tokens;
  const work = (metric: 'cpuTime' | 'gpuTime' | 'energy') =>
    repeatedMean(rows.map((row) => row.work[metric]));
  const perToken = repeatedMean(
    rows.map(({ tokens, times }) => {
      const gaps = tokens.completion - tokens.reasoning - 1;
      return gaps < 1 ? null : (times.lastToken - times.firstToken) / gaps;
    }),
  );
  return {
    promptTokens: prompt,
    completionTokens: completion,
    latency: repeatedMean(rows.map((row) => endToEndNs(row, 'started')))!,
    firstToken: repeatedMean(rows.map((row) => timeToFirstTokenNs(row, 'started')))!,
    tokensPerSecond: perToken && perToken.value > 0 ? rateOf(perToken) : null,
    cpuTime: work('cpuTime'),
    gpuTime: work('gpuTime'),
    energy: work('energy'),
  };
}

/** Per second, of a time in ns. */
function rateOf({ value, low, high }: Repeated): Repeated {
  const rate = (ns: number | null) => (ns === null ? null : 1e9 / ns);
  return { value: 1e9 / value, low: rate(high), high: rate(low) };
}

/** A part of answering a request, and its share of the request's work. */
export interface WorkPart {
  component: string;
  share: number;
}

/** Where a request's work went, the largest part first, and how much of it no bill shows; `null` where not measured. */
export function workParts({ stages, effective }: Waterfall): { parts: WorkPart[]; hidden: number } | null {
  if (effective === null || effective <= 0) return null;
  const shares = new Map<string, number>();
  let hidden = 0;
  for (const { component, effective: own, visibility } of stages) {
    if (own === null) return null;
    shares.set(component, (shares.get(component) ?? 0) + own / effective);
    if (visibility === 'none') hidden += own / effective;
  }
  const parts = [...shares].map(([component, share]) => ({ component, share }));
  return { parts: parts.sort((a, b) => b.share - a.share), hidden };
}
