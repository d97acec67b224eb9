import { nameOf, type PolicyOf } from './pipeline.js';
import type { RequestState } from './request.js';
import { chooseRows } from './rows.js';

/** How many tokens a request thinks for, as drawn with its plan or by the length of its prompt. */
export function reasoningTokensOf(policy: PolicyOf<'reasoning'>, state: RequestState): number {
  const { tokens } = state.pipeline.drawn[nameOf(policy)] ?? {};
  return Math.min(policy.maxTokens, tokens ?? Math.round(policy.share * state.promptIds.length));
}

/**
 * Generates tokens that the user is not shown, and after them chooses the first that is shown: as many
 * passes as there are hidden tokens, so that the answer costs the same with them and without.
 */
export async function runReasoning(policy: PolicyOf<'reasoning'>, state: RequestState): Promise<void> {
  const { input, sequence, usage, reasoningTokens } = state;
  const { batch } = input;
  for (let token = 0; token < reasoningTokens; token++) {
    state.contextIds.push(state.nextTokens[0]!);
    const logits = await sequence!.step(BigInt64Array.from(state.nextTokens, BigInt));
    state.nextTokens = chooseRows(logits, state.choose);
    state.nextChosenNs = state.now();
  }
  const tokens = batch * reasoningTokens;
  const billed = policy.billed ? tokens : 0;
  usage.reasoning += billed;
  usage.completion += billed;
  state.ledger.close({ name: nameOf(policy), type: policy.type, visible: policy.billed, tokens, billed });
}
