import type { LoggedTokens } from './usage-tally.js';

/** Requests whose prompt and answer are of one order of length: from its first to its last. */
export interface LengthKind {
  prompt: readonly [from: number, to: number];
  completion: readonly [from: number, to: number];
}

/** Each order is four times as long as the one before: few enough to read, and narrow enough to cost alike. */
const step = 4;

export function kindOf({ prompt, completion }: LoggedTokens): LengthKind {
  return { prompt: orderOf(prompt), completion: orderOf(completion) };
}

function orderOf(tokens: number): readonly [number, number] {
  let from = 1;
  while (from * step <= Math.max(1, tokens)) from *= step;
  return [from, from * step - 1];
}
