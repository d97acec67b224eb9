import type { Decoder, Sequence } from '#tokenwork/engines/engine.js';
import { openDecoder } from '#tokenwork/engines/onnx/open-decoder.js';
import { PrefixCache } from '#tokenwork/stages/prefix-cache/prefix-cache.js';
import { alternatingRatios, summarise } from './alternate.js';
import { promptIds, secondsOf } from './decoding.js';
import type { Figure } from './figure.js';
import { smolLm2 } from './models.js';

const cachedTokens = 1024;
const newTokens = 16;
const blockTokens = 16;

export const prefixCache: Figure = {
  id: 'prefix-cache-hit',
  what: 'time to first token, 1,024 cached tokens + 16 new, SmolLM2-135M q4: prefix cache hit ÷ miss',
  target: 0.08,
  comparison: '<=',
  async measure() {
    const decoder = await openDecoder(await smolLm2('q4'), { threads: 1, backend: 'native' });
    try {
      return summarise(await hitToMiss(decoder, 4));
    } finally {
      decoder.close();
    }
  },
};

/** Time to first token of 1,024 cached tokens and 16 new ones: hit ÷ miss, so many times. */
export async function hitToMiss(decoder: Decoder, times: number): Promise<number[]> {
  const { ids, cache } = await filledCache(decoder);
  return alternatingRatios(
    times,
    () => firstToken(decoder, ids, cache),
    () => firstToken(decoder, ids, null),
  );
}

/** Time to first token of a hit ÷ the step of the same new tokens after as many of the sequence's own, so many times. */
export async function hitToStep(decoder: Decoder, times: number): Promise<number[]> {
  const { ids, cache } = await filledCache(decoder);
  const own = decoder.open({ batch: 1, capacity: ids.length });
  await own.step(BigInt64Array.from(ids.slice(0, cachedTokens), BigInt));
  const step = async () => {
    own.truncate(cachedTokens);
    return secondsOf(() => own.step(BigInt64Array.from(ids.slice(cachedTokens), BigInt)));
  };
  const ratios = await alternatingRatios(times, () => firstToken(decoder, ids, cache), step);
  own.close();
  return ratios;
}

/** A prompt, and a cache that holds all of it but the new tokens. */
async function filledCache(decoder: Decoder): Promise<{ ids: number[]; cache: PrefixCache }> {
  const limitBytes = 2 * cachedTokens * decoder.kvBytesPerPosition;
  const cache = new PrefixCache(decoder, { blockTokens, limitBytes });
  const ids = [...promptIds(cachedTokens + newTokens, decoder.vocabulary)].map(Number);
  await firstToken(decoder, ids, null, (sequence) => {
    cache.store(ids.slice(0, cachedTokens), (exports) => sequence.exportCache(0, exports));
  });
  return { ids, cache };
}

/** Seconds from an empty sequence to the logits of the first token, through the cache where one is given. */
async function firstToken(
  decoder: Decoder,
  ids: readonly number[],
  cache: PrefixCache | null,
  store?: (sequence: Sequence) => void,
): Promise<number> {
  const keepsPositions = store !== undefined;
  let sequence: Sequence | undefined;
  const seconds = await secondsOf(async () => {
    const prefixCache = cache !== null || keepsPositions;
    sequence = decoder.open({ batch: 1, capacity: ids.length, prefixCache });
    const match = cache?.match(ids);
    if (match) {
      if (match.tokens !== cachedTokens) throw new Error(`${match.tokens} tokens were cached`);
      sequence.importCache([match.blocks]);
      match.release();
    }
    await sequence.step(BigInt64Array.from(ids.slice(match?.tokens ?? 0), BigInt));
  });
  store?.(sequence!);
  sequence!.close();
  return seconds;
}
