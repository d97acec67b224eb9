import type { CostModel } from '../../core/cost.js';
import type { Served } from '../../core/records/server.js';
import type { Nanoseconds } from '../../core/units.js';
import type { Generation } from '../../engines/endpoint/endpoint.js';
import type { MeasuredRow } from '../../journal/entry.js';
import { servedLedger } from '../../stages/served-request.js';

/**
 * The row of a request that a server answered, or failed to. It counts as submitted when it was due, so that a client
 * that sends late hides nothing (coordinated omission), and as started when it was sent.
 */
export function servedRow(generation: Generation, dueNs: Nanoseconds, cost: CostModel | null): MeasuredRow {
  const { outcome, usage, times, tokenGapsNs } = generation;
  const { sentNs, endedNs } = times;
  const submitted = Math.min(dueNs, sentNs);
  const served = servedOf(generation);
  if (outcome.status === 'failed' || usage === null) {
    return {
      outcome: outcome.status === 'failed' ? outcome : usageMissing,
      tokens: null,
      times: { submitted, started: sentNs, firstToken: times.firstTokenNs, lastToken: times.lastTokenNs },
      served,
    };
  }
  // An answer of tokens without text is there when it ends.
  const firstToken = times.firstTokenNs ?? endedNs;
  const lastToken = times.lastTokenNs ?? endedNs;
  const answerToken = times.answerNs;
  const { tokens, stages, work, absent } = servedLedger(
    cost,
    { ...usage, cached: usage.cached ?? 0, reasoning: usage.reasoning ?? 0 },
    { submitted, started: sentNs, firstToken, answerToken, lastToken, ended: endedNs },
  );
  return {
    outcome: { status: 'ok' },
    tokens,
    times: { submitted, started: sentNs, firstToken, lastToken, ended: endedNs },
    tokenGapsNs: tokenGapsNs ?? [],
    work,
    ...(absent && { absent }),
    stages,
    served,
  };
}

const usageMissing = {
  status: 'failed',
  code: 'usage-missing',
  message: 'The server ended the answer and told no count of its tokens.',
} as const;

function servedOf(generation: Generation): Served {
  const { usage, times, clientTokens, events, serverTimes, finishReason, replica, retries } = generation;
  return {
    replica,
    retries,
    finishReason,
    usageFrom: usage?.from ?? null,
    toldCached: usage !== null && usage.cached !== null,
    clientTokens,
    events,
    answerToken: times.answerNs,
    times: serverTimes,
  };
}
