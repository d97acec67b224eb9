import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { monotonicClock } from '../core/clock.js';
import type { Decoder } from '../engines/engine.js';
import { openDecoder } from '../engines/onnx/open-decoder.js';
import { type ModelFolder, openFolder } from '../models/folder.js';
import { loadTokenizer, type Tokenizer } from '../models/tokenizer.js';
import { lacksShared, sharedPath } from '../shared-files.test-support.js';
import { plainChat, stagePolicySchema } from './pipeline.js';
import type { RequestInput } from './request.js';
import { Resources } from './resources.js';
import { prepareRequest, runRequest } from './run-request.js';

const stories = sharedPath('models/stories260K');

describe.skipIf(lacksShared)('a trained model', () => {
  const cacheDirectory = mkdtempSync(join(tmpdir(), 'tokenwork-stages-'));
  let model: ModelFolder;
  let tokenizer: Tokenizer;
  let decoder: Decoder;
  beforeAll(async () => {
    model = await openFolder(stories, { dtype: 'fp32', cacheDirectory });
    tokenizer = await loadTokenizer(stories);
    decoder = await openDecoder(model, { threads: 1, backend: 'auto' });
  });
  afterAll(() => {
    decoder.close();
    rmSync(cacheDirectory, { recursive: true });
  });

  async function run(input: Partial<RequestInput>) {
    const request: RequestInput = {
      prompt: { kind: 'text', text: 'Once upon a time' },
      completionTokens: 60,
      batch: 1,
      stop: 'forced',
      sampling: { kind: 'greedy' },
      deadlineNs: null,
      ...input,
    };
    const chat = { ...model, decoder, tokenizer };
    const resources = new Resources();
    await prepareRequest(request, chat, resources);
    const outcome = await runRequest(
      request,
      chat,
      { clock: monotonicClock(), cpuTime: null },
      { stopRequested: () => false, onStep() {} },
      resources,
    );
    if (outcome.status !== 'ok') throw new Error(outcome.message);
    return outcome;
  }

  it('tells the story its author published', async () => {
    const { completions } = await run({});
    // As in the README of karpathy/llama2.c.
    expect(tokenizer.decode(completions[0]!).trimStart()).toMatch(
      /^, there was a little girl named Lily\. She loved to play outside in the park\./,
    );
  });

  it('tells the same story in every row of a batch', async () => {
    const [alone, batch] = [await run({}), await run({ batch: 3 })];
    expect(batch.completions).toEqual([0, 1, 2].map(() => alone.completions[0]));
    expect(batch.tokens.completion).toBe(3 * alone.tokens.completion);
  });

  it('tells the same story with a warm prefix cache, an evicted one, and none', async () => {
    const story = async (cache: string) => {
      const stages = [
        { type: 'tokenization' },
        { type: 'prefill', cache, systemTokens: 40, cacheTokens: 128 },
      ];
      const pipeline = {
        ...plainChat,
        stages: [...stages, { type: 'decode' }].map((stage) => stagePolicySchema.parse(stage)),
      };
      return run({ pipeline });
    };
    const [none, warm, evicted] = [await story('none'), await story('warm'), await story('evicted')];
    expect(warm.tokens).toMatchObject({ prompt: none.tokens.prompt, cached: 32 });
    expect(evicted.tokens.cached).toBe(0);
    expect(warm.completions).toEqual(none.completions);
    expect(evicted.completions).toEqual(none.completions);
    expect(warm.work.flops!).toBeLessThan(none.work.flops!);
  });

  it('tells the same story by speculation', async () => {
    const stages = [{ type: 'tokenization' }, { type: 'prefill' }, { type: 'decode', speculation: 'lookup' }];
    const pipeline = { ...plainChat, stages: stages.map((stage) => stagePolicySchema.parse(stage)) };
    expect((await run({ pipeline })).completions).toEqual((await run({})).completions);
  });

  it('costs what its closed form says', async () => {
    const [prompt, completionTokens, batch] = [17, 30, 2];
    const ids = Array.from({ length: prompt }, (_, index) => 20 + index);
    const { work } = await run({ prompt: { kind: 'ids', ids }, completionTokens, batch });
    // Multiply-adds of T new tokens after P past ones, from the model's README.
    const macs = (newTokens: number, past: number) =>
      batch * (newTokens * 259_328 + 640 * newTokens * (newTokens + past));
    let expected = macs(prompt, 0);
    for (let step = 0; step < completionTokens - 1; step++) expected += macs(1, prompt + step);
    expect(work.flops).toBe(2 * expected);
    // 5 layers, 4 key/value heads of 8, keys and values in fp32.
    expect(work.kvBytes).toBe(batch * (prompt + completionTokens - 1) * 5 * 4 * 8 * 2 * 4);
  });
});
