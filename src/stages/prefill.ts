import type { Sequence } from '../engines/engine.js';
import { chooseRows } from './decode.js';
import type { TokenChooser } from './token-choice.js';

/**
 * Runs the prompt through the model in one step, the same prompt in every row of the batch, and chooses
 * the first token of each row.
 */
export async function prefill(
  sequence: Sequence,
  promptIds: readonly number[],
  choose: TokenChooser,
): Promise<number[]> {
  const rows = new BigInt64Array(sequence.batch * promptIds.length);
  for (let index = 0; index < promptIds.length; index++) rows[index] = BigInt(promptIds[index]!);
  for (let row = 1; row < sequence.batch; row++) {
    rows.copyWithin(row * promptIds.length, 0, promptIds.length);
  }
  return chooseRows(await sequence.step(rows), choose);
}
