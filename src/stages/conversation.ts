import { type ContextSource, conversationKey, systemIds, turnIds } from './context.js';
import type { PolicyOf } from './pipeline.js';
import { chooseRows, sameRows } from './rows.js';
import { tokenChooser } from './token-choice.js';

/**
 * Holds the conversation that a request goes on with, before anything is measured: each earlier turn is a
 * prompt of its own, as long as this one's, and what the model answered to it and all before, greedily, in
 * as many tokens. A longer conversation begins with the shorter ones, so that turn after turn finds in the
 * prefix cache what the turns before have left there. Returns whether there was anything to do. Throws what
 * running the model throws.
 */
export async function prepareConversation(
  policy: PolicyOf<'prefill'>,
  state: ContextSource,
): Promise<boolean> {
  const { chat, resources, promptIds, completionTokens } = state;
  const history = resources.conversation(conversationKey(policy, state));
  const perTurn = promptIds.length + completionTokens;
  if (history.length >= policy.historyTurns * perTurn) return false;
  const before = [...systemIds(policy, state), ...history];
  const capacity = before.length + policy.historyTurns * perTurn - history.length;
  const sequence = chat.decoder.open({ batch: 1, capacity });
  const choose = tokenChooser({ kind: 'greedy' });
  try {
    let unread = before;
    for (let turn = history.length / perTurn; turn < policy.historyTurns; turn++) {
      const prompt = turnIds(state, turn);
      const answer: number[] = [];
      unread.push(...prompt);
      while (answer.length < completionTokens) {
        const [token] = chooseRows(await sequence.step(sameRows(unread, 1)), choose);
        answer.push(token!);
        unread = [token!];
      }
      history.push(...prompt, ...answer);
    }
  } finally {
    sequence.close();
  }
  return true;
}
