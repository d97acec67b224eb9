import { describe, expect, it } from 'vitest';
import { checkLedger } from '../core/ledger-check.js';
import { plainChat, type RequestPipeline, stagePolicySchema } from './pipeline.js';
import type { RequestInput } from './request.js';
import { Resources } from './resources.js';
import { type FinishedRequest, prepareRequest, runRequest, type UnfinishedRequest } from './run-request.js';
import { windowsOf } from './safety/stage.js';
import { costPerPosition, fakeDecoder } from './testing/fake-decoder.js';
import { fakeEncoder } from './testing/fake-encoder.js';

const letters = {
  encode: (text: string) => Array.from(text, (letter) => letter.charCodeAt(0) % 40),
  encodeChat: null,
  decode: (ids: readonly number[]) => ids.map((id) => String.fromCharCode(97 + (id % 26))).join(''),
};
const decoderOf = (id: string) => ({
  id,
  decoder: fakeDecoder(),
  cost: costPerPosition,
  costOfAllLogits: costPerPosition,
  eosTokenIds: [49],
  tokenizer: letters,
});

function world() {
  const [classifier, embedder] = [fakeEncoder('guard'), fakeEncoder('embedder')];
  const [chat, verifier] = [decoderOf('chat'), decoderOf('verifier')];
  const resources = new Resources(
    new Map([['verifier', verifier]]),
    new Map([classifier, embedder].map((one) => [one.id, one])),
    [{ category: 'test', text: 'bomb' }],
  );
  const run = async (
    stages: readonly object[],
    { drawn = {}, ...input }: Partial<RequestInput> & { drawn?: RequestPipeline['drawn'] } = {},
  ): Promise<FinishedRequest | UnfinishedRequest> => {
    const pipeline: RequestPipeline = {
      ...plainChat,
      stages: stages.map((stage) => stagePolicySchema.parse(stage)),
      models: { guard: 'guard', embedder: 'embedder', verifier: 'verifier' },
      drawn,
    };
    const request: RequestInput = {
      prompt: { kind: 'text', text: 'hello' },
      completionTokens: 4,
      batch: 1,
      stop: 'forced',
      sampling: { kind: 'greedy' },
      deadlineNs: null,
      pipeline,
      ...input,
    };
    let ticks = 0;
    const instruments = { clock: { now: () => ++ticks * 1e6 }, cpuTime: () => ticks * 1e5 };
    await prepareRequest(request, chat, resources);
    return runRequest(request, chat, instruments, { stopRequested: () => false, onStep() {} }, resources);
  };
  const finish = async (...parameters: Parameters<typeof run>): Promise<FinishedRequest> => {
    const outcome = await run(...parameters);
    if (outcome.status !== 'ok') throw new Error(`${outcome.code}: ${outcome.message}`);
    expect(rulesBroken(outcome)).toEqual([]);
    expect(chat.decoder.openSequences + verifier.decoder.openSequences).toBe(0);
    return outcome;
  };
  return { classifier, embedder, chat, verifier, run, finish };
}

const rulesBroken = (outcome: FinishedRequest) =>
  checkLedger({ conservation: {}, requests: [{ id: 0, ...outcome }] }).violations;

const [tokenization, prefill, decode] = ['tokenization', 'prefill', 'decode'].map((type) => ({ type }));
const guard = { type: 'safety', name: 'guard', on: 'prompt', classifier: 'guard', verifier: 'verifier' };
const guarded = (policy: object = {}) => [tokenization!, { ...guard, ...policy }, prefill!, decode!];
const stageOf = ({ stages }: FinishedRequest, name: string) => stages.find((stage) => stage.name === name)!;

describe('a safety check', () => {
  it('reads the prompt with a classifier, and is hidden work', async () => {
    const { finish, classifier } = world();
    const outcome = await finish(guarded());
    expect(classifier.rows).toEqual([
      [101, ...Array.from('hello', (letter) => letter.charCodeAt(0) % 100), 102],
    ]);
    expect(stageOf(outcome, 'guard')).toMatchObject({
      type: 'safety',
      visible: false,
      tokens: 7,
      billed: 0,
      model: 'guard',
      detail: { flagged: false },
      work: { flops: 70 },
    });
    expect(outcome.tokens).toMatchObject({ prompt: 5, completion: 4, hidden: 7 });
  });

  it('is verified by a language model where it is flagged, by a word or by the workload', async () => {
    const { finish } = world();
    const calm = await finish(guarded());
    expect(stageOf(calm, 'guard: verification')).toMatchObject({
      tokens: 0,
      model: null,
      detail: { verified: false },
    });
    const words = await finish(guarded(), { prompt: { kind: 'text', text: 'a bomb' } });
    expect(stageOf(words, 'guard').detail).toEqual({ flagged: true, flaggedBy: 'word list' });
    const drawn = await finish(guarded(), { drawn: { guard: { flagged: true } } });
    expect(stageOf(drawn, 'guard').detail).toEqual({ flagged: true, flaggedBy: 'workload' });
    // 48 tokens of instructions, the text, and a verdict of 4 of which the last is not fed back.
    expect(stageOf(drawn, 'guard: verification')).toMatchObject({
      tokens: 48 + 5 + 4,
      model: 'verifier',
      detail: { verified: true },
      work: { flops: 10 * (48 + 5 + 3), kvBytes: 0 },
    });
    expect(drawn.completions).toEqual(calm.completions);
  });

  it.each([
    ['always', {}, true],
    ['never', { flagged: true }, undefined],
    ['sampled', { sampled: true }, true],
    ['sampled', { flagged: true, sampled: false }, false],
  ])('is verified %s where %j was drawn: %s', async (verify, guardDraw, verified) => {
    const outcome = await world().finish(guarded({ verify }), { drawn: { guard: guardDraw } });
    expect(stageOf(outcome, 'guard: verification')?.detail?.verified).toBe(verified);
  });

  it('of the completion reads what was generated', async () => {
    const { finish, classifier } = world();
    const after = { ...guard, on: 'completion', verify: 'never' };
    const { completions, stages } = await finish([tokenization!, prefill!, decode!, after]);
    expect(classifier.rows[0]).toHaveLength(completions[0]!.length + 2);
    expect(stages.at(-1)!.name).toBe('guard');
  });

  it('reads long texts in windows of its context', async () => {
    expect(windowsOf([101, 1, 2, 3, 4, 5, 102], 4)).toEqual([
      [101, 1, 2, 102],
      [101, 3, 4, 102],
      [101, 5, 102],
    ]);
    expect(windowsOf([101, 1, 102], 3)).toEqual([[101, 1, 102]]);
    const { finish, classifier } = world();
    const outcome = await finish(guarded(), { prompt: { kind: 'text', text: 'x'.repeat(50) } });
    expect(classifier.rows.map(({ length }) => length)).toEqual([20, 20, 16]);
    expect(stageOf(outcome, 'guard').tokens).toBe(56);
  });

  it('fails by name where the prompt is mere ids', async () => {
    const outcome = await world().run(guarded(), { prompt: { kind: 'ids', ids: [1, 2] } });
    expect(outcome).toMatchObject({ status: 'failed', code: 'tokenizer-missing' });
  });
});

describe('retrieval', () => {
  const retrieving = (policy: object = {}) => [
    tokenization!,
    { type: 'retrieval', embedder: 'embedder', vectors: 50, top: 3, pieceTokens: 4, ...policy },
    prefill!,
    decode!,
  ];

  it('puts hidden pieces before the prompt, in a pass of their own', async () => {
    const { finish, chat } = world();
    const outcome = await finish(retrieving());
    expect(chat.decoder.steps.map(({ length }) => length)).toEqual([12, 5, 1, 1, 1]);
    expect(outcome.tokens).toMatchObject({ prompt: 5, completion: 4, hidden: 7 + 12 });
    expect(stageOf(outcome, 'retrieval')).toMatchObject({
      model: 'embedder',
      tokens: 7,
      detail: { searched: 50, retrieved: 3, retrievedTokens: 12 },
      // The pass over the query, and a multiply-add for each of 50 × 4 elements.
      work: { flops: 70 + 2 * 50 * 4, memoryTraffic: 4 * 50 * 4, activationBytes: 21 },
    });
    expect(stageOf(outcome, 'retrieval: tokens')).toMatchObject({ type: 'retrieval', tokens: 12, billed: 0 });
    expect(stageOf(outcome, 'prefill')).toMatchObject({ tokens: 5, billed: 5, visible: true });
  });

  it('bills them with the prompt where the policy says so, in one pass', async () => {
    const { finish, chat } = world();
    const outcome = await finish(retrieving({ billed: true }));
    expect(chat.decoder.steps[0]).toHaveLength(17);
    expect(outcome.tokens).toMatchObject({ prompt: 17, hidden: 7 });
  });

  it('does nothing where nothing is to be retrieved', async () => {
    const { finish, embedder } = world();
    expect((await finish(retrieving({ top: 0 }))).tokens.hidden).toBe(0);
    expect(embedder.rows).toEqual([]);
  });
});

describe('a batch of different prompts', () => {
  it('gives every row its own', async () => {
    const { finish, chat } = world();
    const outcome = await finish([tokenization!, prefill!, decode!], {
      prompt: { kind: 'ids', ids: [1, 2] },
      otherRows: [
        [3, 4],
        [5, 6],
      ],
      batch: 3,
    });
    expect(chat.decoder.steps[0]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(outcome.tokens.prompt).toBe(6);
  });

  it('checks each row by itself, and adds their passes up', async () => {
    const { finish, classifier } = world();
    const rows = {
      prompt: { kind: 'ids' as const, ids: [1, 2], text: 'hi' },
      otherRows: [
        [3, 4],
        [5, 6],
      ],
      otherTexts: ['a bomb', 'yes'],
      batch: 3,
    };
    const outcome = await finish(guarded(), rows);
    expect(classifier.rows.map(({ length }) => length)).toEqual([4, 8, 5]);
    expect(stageOf(outcome, 'guard')).toMatchObject({
      tokens: 17,
      detail: { flagged: true, flaggedBy: 'word list' },
    });
    // The one that is flagged alone is verified: 48 of instructions, its 6, a verdict of 4.
    expect(stageOf(outcome, 'guard: verification').tokens).toBe(58);
    expect(outcome.tokens).toMatchObject({ prompt: 6, completion: 12, hidden: 17 + 58 });
    const drawn = await finish(guarded(), { ...rows, drawn: { guard: { flagged: true } } });
    expect(stageOf(drawn, 'guard: verification').tokens).toBe(3 * 52 + 2 + 6 + 3);
  });

  it('checks the completion of every row', async () => {
    const { finish, classifier } = world();
    const after = { ...guard, on: 'completion', verify: 'never' };
    await finish([tokenization!, prefill!, decode!, after], { batch: 4 });
    expect(classifier.rows.map(({ length }) => length)).toEqual([6, 6, 6, 6]);
  });

  it.each([true, false])('retrieves for each row by itself (billed: %s)', async (billed) => {
    const retrieval = {
      type: 'retrieval',
      embedder: 'embedder',
      vectors: 50,
      top: 2,
      pieceTokens: 4,
      billed,
    };
    const stages = [tokenization!, retrieval, prefill!, decode!];
    const texts = ['hello there', 'abc'];
    const ids = [
      [1, 2],
      [3, 4],
    ];
    const alone: number[][] = [];
    for (const [row, text] of texts.entries()) {
      const { finish, chat } = world();
      await finish(stages, { prompt: { kind: 'ids', ids: ids[row]!, text } });
      alone.push(chat.decoder.steps.slice(0, billed ? 1 : 2).flat());
    }
    const { finish, chat } = world();
    const outcome = await finish(stages, {
      prompt: { kind: 'ids', ids: ids[0]!, text: texts[0]! },
      otherRows: [ids[1]!],
      otherTexts: [texts[1]!],
      batch: 2,
    });
    const [pieces, prompts] = billed
      ? [chat.decoder.steps[0]!, []]
      : [chat.decoder.steps[0]!, chat.decoder.steps[1]!];
    const half = (row: number, step: readonly number[]) =>
      step.slice((row * step.length) / 2, ((row + 1) * step.length) / 2);
    expect([0, 1].map((row) => [...half(row, pieces), ...half(row, prompts)])).toEqual(alone);
    expect(outcome.tokens.prompt).toBe(billed ? 2 * 10 : 4);
    expect(stageOf(outcome, 'retrieval').detail).toMatchObject({ retrieved: 4, retrievedTokens: 16 });
    // Both rows' queries embedded, both searches made.
    expect(stageOf(outcome, 'retrieval').work.flops).toBe(10 * (13 + 5) + 2 * 2 * 50 * 4);
  });
});
