import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HostBlocks } from '../../engines/onnx/host-blocks.js';
import type { LoadedModel } from '../../stages/loaded-model.js';
import { PrefixCache } from '../../stages/prefix-cache/prefix-cache.js';
import { promptRows } from '../../stages/tokenization.js';
import { expandTrace } from '../expand-trace.js';
import { requestOf, schedule } from '../schedule.js';
import { idsIn, runsOf } from './block-ids.js';
import type { TraceRequest } from './format.js';
import { jsonLines, traceFiles } from './trace-file.test-support.js';

const read = traceFiles();
const contextLength = 2 ** 20;
const model = {
  decoder: { vocabulary: 49152 },
  eosTokenIds: [0],
  tokenizer: null,
} as unknown as LoadedModel;

/** The positions of each request of a trace that an endless prefix cache holds when it arrives. */
function found(requests: TraceRequest[], blockTokens: number): number[] {
  const decoder = {
    kvBytesPerPosition: 1,
    reserveBlocks: (blocks: number, tokens: number) => new HostBlocks(blocks, tokens),
  };
  const cache = new PrefixCache(decoder, { blockTokens, limitBytes: 2 ** 16 });
  const trace = { name: 'x', requests, warnings: [] };
  const plan = expandTrace(trace, [{ spec: 'm', id: 'm', contextLength }]);
  return schedule(plan, { repetitions: 1, seed: 1, order: 'trace' }).map((scheduled) => {
    const { prompt } = promptRows(requestOf(scheduled), model);
    if (prompt.kind !== 'ids') throw new Error('a trace has no texts');
    const match = cache.match(prompt.ids);
    match.release();
    cache.store(prompt.ids, () => {});
    return match.tokens;
  });
}

/**
 * What hash_ids promise, by the plainest count: of all earlier prompts, the longest beginning of equal ids, in whole
 * blocks of the cache and without the last position.
 */
function promised(requests: TraceRequest[], blockTokens: number): number[] {
  return requests.map(({ promptTokens, blocks }, index) => {
    const shared = requests.slice(0, index).map((earlier) => {
      const [mine, theirs] = [idsIn(blocks?.ids ?? []), idsIn(earlier.blocks?.ids ?? [])];
      let equal = 0;
      while (equal < mine.length && mine[equal] === theirs[equal]) equal++;
      return Math.min(equal * (blocks?.size ?? 0), earlier.promptTokens, promptTokens - 1);
    });
    return Math.floor(Math.max(0, ...shared) / blockTokens) * blockTokens;
  });
}

describe('what a prefix cache holds of a trace', () => {
  // The first seven lines of Mooncake's mooncake_trace.jsonl, as dynamo's tests of trace replay have them.
  const lines = [
    [6755, 500, 0, 1, 13],
    [7319, 490, 0, 14, 27],
    [7234, 794, 0, 28, 41],
    [2287, 316, 0, 42, 45],
    [9013, 3, 46, 47, 63],
    [6506, 3, 46, 47, 57, 64],
    [4824, 173, 0, 65, 73],
  ].map(([input, output, first, from, to, last]) => ({
    timestamp: 0,
    input_length: input,
    output_length: output,
    hash_ids: [
      first,
      ...Array.from({ length: to! - from! + 1 }, (_, index) => from! + index),
      ...(last === undefined ? [] : [last]),
    ],
  }));

  it('is what Mooncake’s hash_ids promise', async () => {
    const { requests } = await read(jsonLines(lines));
    // Twelve whole blocks are shared by the fifth and the sixth, the first one by all that begin with block 0.
    expect(found(requests, 512)).toEqual([0, 512, 512, 512, 0, 12 * 512, 512]);
    for (const blockTokens of [512, 128, 96])
      expect(found(requests, blockTokens)).toEqual(promised(requests, blockTokens));
  });

  it('is what any hash_ids promise', () => {
    const requests = fc.array(
      fc.tuple(fc.array(fc.nat(2), { maxLength: 5 }), fc.integer({ min: 1, max: 40 })),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(requests, fc.constantFrom(1, 3, 4, 8), (drawn, blockTokens) => {
        const trace = drawn.map(([ids, rest]): TraceRequest => {
          const promptTokens = Math.max((ids.length - 1) * 8, 0) + rest;
          return {
            promptTokens,
            completionTokens: 1,
            arrivalNs: null,
            blocks: { ids: runsOf(ids), count: ids.length, size: 8 },
          };
        });
        // Tokens that are alike by chance would count for more only in blocks of one.
        const [is, should] = [found(trace, blockTokens), promised(trace, blockTokens)];
        if (blockTokens > 1) expect(is).toEqual(should);
        else
          for (const [index, tokens] of is.entries()) expect(tokens - should[index]!).toBeLessThanOrEqual(1);
      }),
      { numRuns: 50 },
    );
  });
});
