import type { Decoder, Sequence } from '#tokenwork/engines/engine.js';
import { syntheticTokenIds } from '#tokenwork/stages/synthetic-tokens.js';

/** Seconds that `action` takes. */
export async function secondsOf(action: () => Promise<unknown>): Promise<number> {
  const begin = process.hrtime.bigint();
  await action();
  return Number(process.hrtime.bigint() - begin) / 1e9;
}

/** Token ids for a prompt of exactly `tokens` positions. */
export function promptIds(tokens: number, vocabulary: number): BigInt64Array {
  const ids = syntheticTokenIds({ tokens, vocabulary, avoid: [], seed: 1 });
  return BigInt64Array.from(ids, BigInt);
}

/** A sequence that has read a prompt of `contextTokens` and has room for `newTokens` more. */
export async function sequenceAfter(
  decoder: Decoder,
  contextTokens: number,
  newTokens: number,
): Promise<Sequence> {
  const sequence = decoder.open({ batch: 1, capacity: contextTokens + newTokens });
  await sequence.step(promptIds(contextTokens, decoder.vocabulary));
  return sequence;
}

/** Decode rate in tokens/s of `newTokens` single steps after `contextTokens` cached positions. */
export async function decodeRate(
  sequence: Sequence,
  contextTokens: number,
  newTokens: number,
): Promise<number> {
  const token = BigInt64Array.of(5n);
  sequence.truncate(contextTokens);
  const seconds = await secondsOf(async () => {
    for (let i = 0; i < newTokens; i++) await sequence.step(token);
  });
  return newTokens / seconds;
}
