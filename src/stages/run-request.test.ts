import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TokenworkError } from '../core/errors.js';
import type { TextTokenizer } from './loaded-model.js';
import type { RequestControl } from './meter.js';
import type { RequestInput } from './request.js';
import { type FinishedRequest, runRequest, type UnfinishedRequest } from './run-request.js';
import {
  costPerPosition,
  type FakeDecoder,
  fakeDecoder,
  kvBytesPerPosition,
} from './testing/fake-decoder.js';
import { plainRequest as plain } from './testing/plain-request.js';

const uninterrupted: RequestControl = { stopRequested: () => false, onStep() {} };

/** A clock on which every reading is one second after the one before; CPU time runs at half its pace. */
function tickingInstruments() {
  let seconds = 0;
  let cpuSeconds = 0;
  return { clock: { now: () => ++seconds * 1e9 }, cpuTime: () => ++cpuSeconds * 5e8 };
}

async function run(
  input: Partial<RequestInput> = {},
  decoder: FakeDecoder = fakeDecoder(),
  control: RequestControl = uninterrupted,
  tokenizer: TextTokenizer | null = null,
): Promise<FinishedRequest | UnfinishedRequest> {
  const model = {
    id: 'm',
    decoder,
    cost: costPerPosition,
    costOfAllLogits: costPerPosition,
    eosTokenIds: [6],
    tokenizer,
  };
  const outcome = await runRequest({ ...plain, ...input }, model, tickingInstruments(), control);
  expect(decoder.openSequences).toBe(0);
  return outcome;
}

async function finish(...parameters: Parameters<typeof run>): Promise<FinishedRequest> {
  const outcome = await run(...parameters);
  if (outcome.status !== 'ok') throw new Error(`${outcome.code}: ${outcome.message}`);
  return outcome;
}

describe('a request', () => {
  it('prefills once and feeds back each token but the last', async () => {
    const decoder = fakeDecoder();
    const outcome = await finish({}, decoder);
    expect(decoder.steps).toEqual([[1, 2, 3], [4], [5], [6]]);
    expect(outcome.completions).toEqual([[4, 5, 6, 7]]);
    expect(outcome.tokens).toEqual({
      prompt: 3,
      completion: 4,
      cached: 0,
      reasoning: 0,
      processed: 7,
      hidden: 0,
    });
  });

  it('costs its prompt and all but one of its completion', async () => {
    const { work } = await finish();
    expect(work.flops).toBe(10 * (3 + 4 - 1));
    expect(work).toMatchObject({ memoryTraffic: 0, activationBytes: 3 * (3 + 4 - 1) });
    expect(work.kvBytes).toBe(kvBytesPerPosition * (3 + 4 - 1));
  });

  it('has its times in order, from before tokenization', async () => {
    const { times, tokenGapsNs, stages } = await finish();
    expect(times.started).toBe(1e9);
    expect(stages.map(({ name }) => name)).toEqual(['tokenization', 'prefill', 'decode', 'detokenization']);
    expect(stages[0]!.times.started).toBe(times.started);
    expect(stages[1]!.times.ended).toBeGreaterThanOrEqual(times.firstToken);
    expect(stages[2]!.times.ended).toBeGreaterThanOrEqual(times.lastToken);
    expect(stages[3]!.times.ended).toBe(times.ended);
    expect(tokenGapsNs).toHaveLength(3);
    expect(tokenGapsNs.reduce((sum, gap) => sum + gap, 0)).toBe(times.lastToken - times.firstToken);
  });

  it('holds its KV cache from the start of prefill, and what each step adds from that step on', async () => {
    const { work, times, stages } = await finish({ completionTokens: 2 });
    const expected =
      kvBytesPerPosition *
      (3 * (stages[1]!.times.ended - stages[1]!.times.started) + 4 * (times.ended - stages[1]!.times.ended));
    expect(work.kvByteSeconds).toBeCloseTo(expected / 1e9, 9);
  });

  it('is the sum of its stages, whatever its shape', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(40), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 3 }),
        fc.constantFrom('forced' as const, 'eos' as const),
        async (ids, completionTokens, batch, stop) => {
          const outcome = await finish({ prompt: { kind: 'ids', ids }, completionTokens, batch, stop });
          const { tokens, work, stages, times } = outcome;
          const total = (value: (stage: (typeof stages)[number]) => number) =>
            stages.reduce((sum, stage) => sum + value(stage), 0);
          expect(total(({ tokens }) => tokens)).toBe(tokens.processed);
          expect(total(({ billed }) => billed)).toBe(tokens.prompt + tokens.completion);
          expect(tokens.hidden).toBe(tokens.processed - tokens.prompt - tokens.completion);
          expect(total(({ work }) => work.cpuTime!)).toBe(work.cpuTime);
          expect(total(({ work }) => work.flops!)).toBe(work.flops);
          expect(total(({ work }) => work.activationBytes!)).toBe(work.activationBytes);
          expect(total(({ work }) => work.kvBytes!)).toBe(work.kvBytes);
          expect(total(({ work }) => work.kvByteSeconds!)).toBeCloseTo(work.kvByteSeconds!, 6);
          for (const [index, stage] of stages.entries()) {
            expect(stage.times.started).toBe(index === 0 ? times.started : stages[index - 1]!.times.ended);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('a batch', () => {
  it('runs the same prompt in every row and bills every row', async () => {
    const decoder = fakeDecoder();
    const outcome = await finish({ batch: 2, completionTokens: 2 }, decoder);
    expect(decoder.steps).toEqual([
      [1, 2, 3, 1, 2, 3],
      [4, 5],
    ]);
    expect(outcome.tokens).toMatchObject({ prompt: 6, completion: 4, processed: 10, hidden: 0 });
  });

  it('computes ended rows along, as hidden work', async () => {
    // Row 0 counts up by one and ends at 6, its third token; row 1 counts by two and ends at 7 never.
    const outcome = await finish({ batch: 2, stop: 'eos', completionTokens: 5 });
    expect(outcome.completions).toEqual([
      [4, 5, 6],
      [5, 7, 9, 11, 13],
    ]);
    expect(outcome.tokens).toMatchObject({ prompt: 6, completion: 8, processed: 16, hidden: 2 });
  });
});

describe('stopping', () => {
  it('ends on end-of-text where it may', async () => {
    const { completions, work } = await finish({ stop: 'eos', completionTokens: 40 });
    expect(completions).toEqual([[4, 5, 6]]);
    expect(work.flops).toBe(10 * (3 + 2));
  });

  it('generates past end-of-text where the length is forced', async () => {
    expect((await finish({ completionTokens: 10 })).completions[0]).toHaveLength(10);
  });

  it('ends after the first token where that is end-of-text', async () => {
    const { completions, tokens } = await finish({ prompt: { kind: 'ids', ids: [5] }, stop: 'eos' });
    expect(completions).toEqual([[6]]);
    expect(tokens).toMatchObject({ prompt: 1, completion: 1, processed: 2 });
  });
});

describe('tokenization', () => {
  it('is part of the request', async () => {
    const tokenizer = {
      encode: (text: string) => [...text].map((letter) => letter.charCodeAt(0) - 96),
      encodeChat: null,
      decode: (ids: readonly number[]) => String.fromCharCode(...ids.map((id) => 96 + id)),
    };
    const { tokens, stages } = await finish(
      { prompt: { kind: 'text', text: 'abc' } },
      fakeDecoder(),
      uninterrupted,
      tokenizer,
    );
    expect(tokens.prompt).toBe(3);
    expect(stages[0]).toMatchObject({ name: 'tokenization', visible: false, tokens: 0, billed: 0 });
    expect(stages[0]!.work.cpuTime).toBeGreaterThan(0);
  });

  it.each([
    ['by the chat template, where there is one', () => [1, 2, 3, 4], 4],
    ['as one text, where there is none', null, 3],
  ])('reads messages %s', async (_, encodeChat, tokens) => {
    const encode = (text: string) => [...text].map(() => 5);
    const messages = [{ role: 'user', content: 'abc' }];
    const { tokens: counted } = await finish(
      { prompt: { kind: 'text', text: 'abc', messages } },
      fakeDecoder(),
      uninterrupted,
      { encode, encodeChat, decode: () => '' },
    );
    expect(counted.prompt).toBe(tokens);
  });

  it.each([
    ['a text without a tokenizer', { prompt: { kind: 'text', text: 'Hello' } as const }, 'tokenizer-missing'],
    ['an empty prompt', { prompt: { kind: 'ids', ids: [] } as const }, 'empty-prompt'],
    ['an id the model does not know', { prompt: { kind: 'ids', ids: [50] } as const }, 'tokenizer-mismatch'],
  ])('refuses %s', async (_, input, code) => {
    expect(await run(input)).toMatchObject({ status: 'failed', code });
  });
});

describe('failing', () => {
  it('names the numbers when the context is too short, before running', async () => {
    const decoder = fakeDecoder({ contextLength: 6 });
    const outcome = await run({}, decoder);
    expect(outcome).toMatchObject({ status: 'failed', code: 'context-exceeded' });
    expect((outcome as UnfinishedRequest).message).toMatch(/3 prompt and 4 completion .* 6 positions/);
    expect(decoder.steps).toEqual([]);
    await finish({}, fakeDecoder({ contextLength: 7 }));
  });

  it('is by name on NaN logits, with the times that are known', async () => {
    const decoder = fakeDecoder({ next: (lastId, _, step) => (step === 2 ? -1 : lastId + 1) });
    const outcome = await run({}, decoder);
    expect(outcome).toMatchObject({ status: 'failed', code: 'nan-logits' });
    const { times } = outcome as UnfinishedRequest;
    expect(times.firstToken).toBeGreaterThan(times.started);
    expect(times.lastToken).toBeGreaterThan(times.firstToken!);
  });

  it('happens at the deadline, between steps', async () => {
    const decoder = fakeDecoder();
    expect(await run({ deadlineNs: 5e9 }, decoder)).toMatchObject({ code: 'deadline-exceeded' });
    expect(decoder.steps.length).toBeLessThan(4);
  });

  it('happens at the deadline within a step, where the engine is terminated', async () => {
    const during = () => {
      throw new TokenworkError('terminated', 'stopped', '');
    };
    expect(await run({ deadlineNs: 5e9 }, fakeDecoder({ during }))).toMatchObject({
      code: 'deadline-exceeded',
      times: { firstToken: null },
    });
  });

  it('happens when asked to stop', async () => {
    let steps = 0;
    const control = { stopRequested: () => steps === 2, onStep: () => void steps++ };
    const decoder = fakeDecoder();
    expect(await run({}, decoder, control)).toMatchObject({ code: 'interrupted' });
    expect(decoder.steps).toHaveLength(2);
  });

  it('keeps what anything else threw', async () => {
    const during = () => {
      throw new Error('out of luck');
    };
    expect(await run({}, fakeDecoder({ during }))).toMatchObject({
      code: 'request-failed',
      message: 'out of luck',
    });
  });
});
