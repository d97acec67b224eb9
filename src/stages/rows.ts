import type { Logits } from '../engines/engine.js';
import type { TokenChooser } from './token-choice.js';

/** The same ids in every row. */
export function sameRows(ids: readonly number[], batch: number): BigInt64Array {
  const rows = new BigInt64Array(batch * ids.length);
  for (let index = 0; index < ids.length; index++) rows[index] = BigInt(ids[index]!);
  for (let row = 1; row < batch; row++) rows.copyWithin(row * ids.length, 0, ids.length);
  return rows;
}

/** The same ids in every row, but for those at their ends, of which the rows after the first have their own. */
export function batchRows(
  ids: readonly number[],
  batch: number,
  otherRows: readonly (readonly number[])[] = [],
): BigInt64Array {
  const rows = sameRows(ids, batch);
  for (const [index, own] of otherRows.entries()) {
    rows.set(BigInt64Array.from(own, BigInt), (index + 2) * ids.length - own.length);
  }
  return rows;
}

/** The next token of each row, from the logits of its last position. */
export function chooseRows(logits: Logits, choose: TokenChooser): number[] {
  const { data, batch, positions, vocabulary } = logits;
  const tokens = new Array<number>(batch);
  for (let row = 0; row < batch; row++) {
    tokens[row] = choose(data, ((row + 1) * positions - 1) * vocabulary, vocabulary);
  }
  return tokens;
}
