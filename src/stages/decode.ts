import type { Sequence } from '../engines/engine.js';
import { nameOf, type PolicyOf } from './pipeline.js';
import { storePrefix } from './prefix-cache/lookup.js';
import type { RequestState } from './request.js';
import { chooseRows } from './rows.js';
import { runSpeculativeDecode } from './speculative/decode-stage.js';
import type { StopCondition, TokenChooser } from './token-choice.js';

/** Generates the completion, after the token that was chosen last. */
export async function runDecode(policy: PolicyOf<'decode'>, state: RequestState): Promise<void> {
  const { input, chat, completionTokens } = state;
  const endTokenIds = new Set(input.stop === 'eos' ? chat.eosTokenIds : []);
  const stop = { endTokenIds, completionTokens };
  state.tokenTimesNs.push(state.nextChosenNs!);
  if (policy.speculation === 'none') await runPlainDecode(policy, state, stop);
  else await runSpeculativeDecode(policy, state, stop);
  storePrefix(state);
}

async function runPlainDecode(
  policy: PolicyOf<'decode'>,
  state: RequestState,
  stop: StopCondition,
): Promise<void> {
  const { sequence, nextTokens, choose, tokenTimesNs, input } = state;
  const { completions, steps } = await decode(sequence!, nextTokens, choose, stop, () => {
    tokenTimesNs.push(state.now());
  });
  const billed = completions.reduce((sum, row) => sum + row.length, 0);
  state.completions = completions;
  state.contextIds.push(...completions[0]!);
  state.usage.completion += billed;
  state.ledger.close({
    name: nameOf(policy),
    type: 'decode',
    visible: true,
    tokens: input.batch * (steps + 1),
    billed,
  });
}

export interface DecodedRows {
  /** Each row's completion, up to and including its end token. */
  completions: number[][];
  /** Forward passes run: one less than the longest completion, as the last token needs none. */
  steps: number;
}

/**
 * Generates token by token after `firstTokens`, the first token of each row. A row that has ended is
 * computed along until every row has, as in any batch. `onToken` is called when a step's tokens are
 * chosen.
 */
export async function decode(
  sequence: Sequence,
  firstTokens: readonly number[],
  choose: TokenChooser,
  stop: StopCondition,
  onToken: () => void,
): Promise<DecodedRows> {
  const completions = firstTokens.map((token) => [token]);
  const ended = firstTokens.map((token) => stop.endTokenIds.has(token));
  const input = BigInt64Array.from(firstTokens, BigInt);
  let steps = 0;
  while (steps < stop.completionTokens - 1 && ended.includes(false)) {
    const tokens = chooseRows(await sequence.step(input), choose);
    steps++;
    for (const [row, token] of tokens.entries()) {
      input[row] = BigInt(token);
      if (ended[row]) continue;
      completions[row]!.push(token);
      ended[row] = stop.endTokenIds.has(token);
    }
    onToken();
  }
  return { completions, steps };
}

/** The number of reasoning tokens of a request: drawn with its plan, or a share of its prompt's length. */
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
