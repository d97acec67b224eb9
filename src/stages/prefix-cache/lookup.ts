import type { Sequence } from '../../engines/engine.js';
import { type ContextSource, contextParts, idsOf, sharedIds } from '../context.js';
import { nameOf, type PolicyOf } from '../pipeline.js';
import type { RequestState } from '../request.js';
import { sameRows } from '../rows.js';
import type { StepCosts } from '../step-costs.js';
import type { PrefixCache } from './prefix-cache.js';

/**
 * Copies into the sequence what the prefix cache holds of the context, as a stage of its own. Returns the
 * number of positions; `billedOf` says how many of so many first ones are billed, as cached tokens.
 */
export function lookUpPrefix(
  policy: PolicyOf<'prefill'>,
  state: RequestState,
  sequence: Sequence,
  billedOf: (positions: number) => number,
): number {
  const cache = prefixCacheOf(policy, state);
  const match = cache.match(state.contextIds);
  if (match.tokens > 0) sequence.importCache([match.blocks]);
  state.ledger.compute(copyCost(match.tokens, state));
  state.cachedPrefix = { cache, match, stage: nameOf(policy) };
  const cached = billedOf(match.tokens);
  state.usage.cached = cached;
  state.ledger.close({
    name: 'cache lookup',
    type: 'cache',
    visible: cached > 0,
    tokens: 0,
    billed: cached,
    cached,
    detail: { outcome: match.outcome, positions: match.tokens, lookedUp: state.contextIds.length },
  });
  return match.tokens;
}

/** Keeps what the request has computed for those that begin alike, as a stage of its own. */
export function storePrefix(state: RequestState): void {
  const { cachedPrefix, sequence, contextIds, ledger } = state;
  if (cachedPrefix === null || sequence === null) return;
  const { cache, match } = cachedPrefix;
  // The last token was never fed back, so the sequence has no position for it.
  const { stored, present, evicted, refused } = cache.store(contextIds.slice(0, sequence.length), (exports) =>
    sequence.exportCache(0, exports),
  );
  match.release();
  ledger.compute(copyCost(stored * cache.blockTokens, state));
  ledger.close({
    name: 'cache store',
    type: 'cache',
    visible: false,
    tokens: 0,
    billed: 0,
    detail: { stored, present, evicted, refused, heldBytes: cache.statistics.heldBytes },
  });
}

/** Positions are read from one place and written to another, unless they are shared where they are. */
function copyCost(positions: number, { chat }: Pick<RequestState, 'chat'>): StepCosts {
  const { copiesCachedPositions, kvBytesPerPosition } = chat.decoder;
  const memoryTraffic = copiesCachedPositions ? 2 * positions * kvBytesPerPosition : 0;
  return { flops: 0, activationBytes: 0, memoryTraffic };
}

/**
 * Brings the prefix cache into the state that the request is to find it in. It is no part of the request:
 * on a server, other requests have done it.
 */
export async function preparePrefix(policy: PolicyOf<'prefill'>, state: ContextSource): Promise<void> {
  const cache = prefixCacheOf(policy, state);
  if (policy.cache !== 'warm') cache.clear();
  if (policy.cache === 'cold') return;
  const ids =
    policy.cache === 'partial'
      ? sharedIds(policy, state)
      : contextParts(policy, state).flatMap(({ ids }) => [...ids]);
  if (policy.cache === 'evicted') return crowdOut(cache, policy, state);
  await compute(cache, ids, state);
}

/** Other prompts have filled the cache; what they were does not matter, as nobody asks for them again. */
function crowdOut(cache: PrefixCache, { cacheTokens }: PolicyOf<'prefill'>, state: ContextSource): void {
  cache.store(idsOf(state, 'filler', cacheTokens), (exports) => {
    // The system commits this process's memory as it is written, and a cache in use has written all of it.
    for (const { target } of exports) if (target instanceof Uint8Array) target.fill(0);
  });
}

async function compute(cache: PrefixCache, ids: readonly number[], { chat }: ContextSource): Promise<void> {
  const match = cache.match([...ids, 0]);
  const missing = ids.length - match.tokens >= cache.blockTokens;
  if (missing) {
    const sequence = chat.decoder.open({ batch: 1, capacity: ids.length, prefixCache: true });
    try {
      if (match.tokens > 0) sequence.importCache([match.blocks]);
      await sequence.step(sameRows(ids.slice(match.tokens), 1));
      cache.store(ids, (exports) => sequence.exportCache(0, exports));
    } finally {
      sequence.close();
    }
  }
  match.release();
}

function prefixCacheOf({ blockTokens, cacheTokens }: PolicyOf<'prefill'>, state: ContextSource): PrefixCache {
  return state.resources.prefixCache(state.chat, { blockTokens, cacheTokens });
}
