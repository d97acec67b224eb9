import type { Logits, Sequence } from '../engines/engine.js';
import type { TokenChooser } from './token-choice.js';

/** When a row's completion ends. */
export interface StopCondition {
  /** Tokens that end a row; empty where the length is forced and end-of-text is generated past. */
  endTokenIds: ReadonlySet<number>;
  completionTokens: number;
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
 * chosen; it throws to stop the request.
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

/** The next token of each row, from the logits of its last position. */
export function chooseRows(logits: Logits, choose: TokenChooser): number[] {
  const { data, batch, positions, vocabulary } = logits;
  const tokens = new Array<number>(batch);
  for (let row = 0; row < batch; row++) {
    tokens[row] = choose(data, ((row + 1) * positions - 1) * vocabulary, vocabulary);
  }
  return tokens;
}
