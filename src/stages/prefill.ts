import type { Sequence } from '../engines/engine.js';
import { type ContextPart, contextParts, positionsNeeded } from './context.js';
import { nameOf, type PolicyOf } from './pipeline.js';
import { lookUpPrefix } from './prefix-cache/lookup.js';
import { type RequestState, refuseTooLong } from './request.js';
import { batchRows, chooseRows, sameRows } from './rows.js';
import type { TokenChooser } from './token-choice.js';

/**
 * Runs what the chat model is to read through it: system prompt, history, retrieved pieces, prompt. What
 * the prefix cache holds of them is copied in place of being computed. Pieces that are not billed go
 * through in a pass of their own, so that what they cost is measured apart from the prompt.
 */
export async function runPrefill(policy: PolicyOf<'prefill'>, state: RequestState): Promise<void> {
  const { input, chat, meter, ledger, usage } = state;
  const { batch } = input;
  const parts = contextParts(policy, state).map((part) =>
    part.ids === state.promptIds ? { ...part, otherRows: input.otherRows } : part,
  );
  state.contextIds = parts.flatMap(({ ids }) => [...ids]);
  const positions = positionsNeeded(state);
  refuseTooLong(state, positions, chat.decoder.contextLength);
  const prefixCache = policy.cache !== 'none';
  const sequence = meter.open(chat, { batch, capacity: positions - 1, prefixCache });
  state.sequence = sequence;
  usage.prompt = batch * billedIn(parts, 0);
  const cached = policy.cache === 'none' ? 0 : lookUpPrefix(policy, state, sequence, billedBefore(parts));

  const passes = passesOf(parts, cached);
  for (const [index, { ids, otherRows, billed, name }] of passes.entries()) {
    const isLast = index === passes.length - 1;
    const logits = await sequence.step(batchRows(ids, batch, otherRows));
    if (isLast) {
      state.nextTokens = chooseRows(logits, state.choose);
      state.nextChosenNs = state.now();
    }
    const own = isLast ? nameOf(policy) : `${nameOf(policy)}: shared beginning`;
    ledger.close({
      name: billed ? own : `${name}: tokens`,
      type: billed ? 'prefill' : 'retrieval',
      visible: billed,
      tokens: batch * ids.length,
      billed: billed ? batch * ids.length : 0,
    });
  }
}

/** Evaluates the same ids in every row, in one pass, and chooses the token that follows in each. */
export async function prefill(
  sequence: Sequence,
  ids: readonly number[],
  choose: TokenChooser,
): Promise<number[]> {
  return chooseRows(await sequence.step(sameRows(ids, sequence.batch)), choose);
}

/** The number of billed positions among the first `position`. */
function billedBefore(parts: readonly ContextPart[]): (position: number) => number {
  return (position) => billedIn(parts, 0) - billedIn(parts, position);
}

/** Billed positions from `from` on. */
function billedIn(parts: readonly ContextPart[], from: number): number {
  let begin = 0;
  let billed = 0;
  for (const part of parts) {
    const end = begin + part.ids.length;
    if (part.billed) billed += Math.max(0, end - Math.max(begin, from));
    begin = end;
  }
  return billed;
}

/** The passes that remain after `cached` positions; adjacent parts that are billed alike share a pass. */
function passesOf(parts: readonly ContextPart[], cached: number): ContextPart[] {
  const passes: ContextPart[] = [];
  let skip = cached;
  for (const { ids, otherRows, ...part } of parts) {
    const left = ids.slice(skip);
    skip = Math.max(0, skip - ids.length);
    if (left.length === 0) continue;
    const before = passes.at(-1);
    if (before?.billed === part.billed) {
      passes[passes.length - 1] = {
        ...part,
        ids: [...before.ids, ...left],
        otherRows: before.otherRows?.map((own, row) => [...own, ...(otherRows?.[row] ?? left)]) ?? otherRows,
      };
    } else passes.push({ ...part, ids: left, otherRows });
  }
  return passes;
}
