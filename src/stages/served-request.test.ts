import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkRequest } from '../core/ledger-rules.js';
import type { Stage } from '../core/result.js';
import { openDecoder } from '../engines/onnx/open-decoder.js';
import { resolveModel } from '../models/resolve.js';
import type { LoadedModel } from './loaded-model.js';
import { plainChat, type RequestPipeline, stagePolicySchema } from './pipeline.js';
import { Resources } from './resources.js';
import { type FinishedRequest, prepareRequest, runRequest } from './run-request.js';
import { type ServedCounts, type ServedTimes, servedLedger } from './served-request.js';
import { costPerPosition, kvBytesPerPosition } from './testing/fake-decoder.js';

const counts: ServedCounts = {
  prompt: 20,
  cached: 0,
  completion: 9,
  reasoning: 0,
  drafted: null,
  accepted: null,
};
const times: ServedTimes = {
  submitted: 0,
  started: 1e9,
  firstToken: 3e9,
  answerToken: null,
  lastToken: 7e9,
  ended: 8e9,
};

const derived = (work: Stage['work']) => {
  const { flops, memoryTraffic, activationBytes, kvBytes } = work;
  return { flops, memoryTraffic, activationBytes, kvBytes };
};

describe('a served request against the same request run here', () => {
  const cacheDirectory = mkdtempSync(join(tmpdir(), 'tokenwork-served-'));
  let chat: LoadedModel;
  beforeAll(async () => {
    const model = await resolveModel('tiny', { cacheDirectory });
    const decoder = await openDecoder(model, { threads: 1, backend: 'auto' });
    chat = { ...model, decoder, tokenizer: null };
  });
  afterAll(() => {
    chat.decoder.close();
    rmSync(cacheDirectory, { recursive: true });
  });

  /** On a clock that ticks once a reading; ticks are what tokens come apart in. */
  async function run(
    stages: readonly object[],
    drawn: RequestPipeline['drawn'] = {},
  ): Promise<FinishedRequest> {
    const policies = [{ type: 'tokenization' }, ...stages].map((stage) => stagePolicySchema.parse(stage));
    const request = {
      prompt: { kind: 'ids' as const, ids: Array.from({ length: counts.prompt }, (_, index) => index % 7) },
      ...{ completionTokens: counts.completion, batch: 1, stop: 'forced' as const, deadlineNs: null },
      sampling: { kind: 'greedy' as const },
      pipeline: { ...plainChat, stages: policies, drawn },
    };
    let ticks = 0;
    const instruments = { clock: { now: () => ++ticks * 1e6 }, cpuTime: null };
    const resources = new Resources();
    await prepareRequest(request, chat, resources);
    const control = { stopRequested: () => false, onStep() {} };
    const outcome = await runRequest(request, chat, instruments, control, resources);
    if (outcome.status !== 'ok') throw new Error(outcome.message);
    return outcome;
  }
  const stageOf = ({ stages }: { stages: Stage[] }, type: string) =>
    stages.find((stage) => stage.type === type)!;

  it('has the same tokens, FLOPs, traffic, activations and KV bytes, stage by stage', async () => {
    const local = await run([{ type: 'prefill' }, { type: 'decode' }]);
    const served = servedLedger(chat.cost, counts, times);
    expect(served.tokens).toEqual(local.tokens);
    expect(derived(served.work)).toEqual(derived(local.work));
    for (const type of ['prefill', 'decode']) {
      const [own, other] = [stageOf(served, type), stageOf(local, type)];
      expect([own.tokens, own.billed]).toEqual([other.tokens, other.billed]);
      expect(derived(own.work)).toEqual(derived(other.work));
    }
  });

  it('has the same where reasoning is billed', async () => {
    const local = await run([{ type: 'prefill' }, { type: 'reasoning', billed: true }, { type: 'decode' }], {
      reasoning: { tokens: 5 },
    });
    const answered = { ...counts, completion: counts.completion + 5, reasoning: 5 };
    const served = servedLedger(chat.cost, answered, { ...times, answerToken: 5e9 });
    expect(served.tokens).toEqual(local.tokens);
    for (const type of ['prefill', 'reasoning', 'decode']) {
      const [own, other] = [stageOf(served, type), stageOf(local, type)];
      expect([own.tokens, own.billed]).toEqual([other.tokens, other.billed]);
      expect(derived(own.work)).toEqual(derived(other.work));
    }
  });

  it('has the same FLOPs and tokens with a prefix cache; what a copy of it moves is not known of servers', async () => {
    const local = await run([
      { type: 'prefill', cache: 'warm', blockTokens: 4, cacheTokens: 64 },
      { type: 'decode' },
    ]);
    expect(local.tokens.cached).toBe(16);
    const served = servedLedger(chat.cost, { ...counts, cached: 16 }, times);
    expect(served.tokens).toEqual(local.tokens);
    expect([served.work.flops, served.work.kvBytes]).toEqual([local.work.flops, local.work.kvBytes]);
    expect(derived(stageOf(served, 'decode').work)).toEqual({
      ...derived(stageOf(local, 'decode').work),
      kvBytes: served.stages[1]!.work.kvBytes,
    });
  });

  it('has the same FLOPs and tokens with drafts, all of which are rejected', async () => {
    const local = await run([{ type: 'prefill' }, { type: 'decode', speculation: 'lookup', acceptance: 0 }]);
    const { drafted, rejected } = stageOf(local, 'speculation').detail as Record<string, number>;
    expect(rejected).toBe(drafted);
    const served = servedLedger(chat.cost, { ...counts, drafted: drafted!, accepted: 0 }, times);
    expect(served.tokens).toEqual(local.tokens);
    const [own, other] = [stageOf(served, 'speculation'), stageOf(local, 'speculation')];
    expect(own.tokens).toBe(other.tokens);
    // The last rounds have room for fewer drafts, and are taken as equal to the others.
    expect(own.work.flops! / other.work.flops!).toBeCloseTo(1, 2);
    expect(own.work.memoryTraffic! / other.work.memoryTraffic!).toBeCloseTo(1, 2);
  });
});

describe('the ledger of a served request', () => {
  it('adds up whatever the server counts', () => {
    const arbitrary = fc
      .record({
        prompt: fc.nat(50),
        completion: fc.nat(50),
        cached: fc.nat(50),
        reasoning: fc.nat(50),
        rejected: fc.nat(9),
        accepted: fc.nat(9),
        answered: fc.boolean(),
      })
      .map(({ rejected, answered, ...given }) => {
        const accepted = Math.min(given.accepted, Math.max(0, given.completion - 2));
        return {
          counts: {
            ...given,
            accepted,
            cached: Math.min(given.cached, given.prompt),
            reasoning: Math.min(given.reasoning, given.completion),
            drafted: given.completion < 2 ? 0 : accepted + rejected,
          },
          times: { ...times, answerToken: answered ? 5e9 : null },
        };
      });
    fc.assert(
      fc.property(arbitrary, ({ counts, times }) => {
        const { started, ended } = times;
        checkRequest(
          { ...servedLedger(costPerPosition, counts, times), times: { started, ended } },
          (rule, found, expected) => expect.fail(`${rule}: ${found} against ${expected}`),
        );
      }),
    );
  });

  it('charges positions evaluated: the prompt but for what was cached, the completion but one, rejected drafts', () => {
    const of = (given: Partial<ServedCounts>) =>
      servedLedger(costPerPosition, { ...counts, ...given }, times);
    expect(of({}).work.flops).toBe(10 * (20 + 8));
    expect(of({ cached: 16 }).work.flops).toBe(10 * (4 + 8));
    expect(of({ drafted: 7, accepted: 4 }).work.flops).toBe(10 * (20 + 8 + 3));
    expect(of({ drafted: 7, accepted: 4 }).tokens).toMatchObject({ processed: 32, hidden: 3 });
    // Cached to the end, and still a token was chosen.
    expect(of({ cached: 20 }).work.flops).toBe(10 * (1 + 8));
  });

  it('reads the weights once a pass: a round of draft and verify is one', () => {
    const weights = [{ coefficient: 100, batch: 0, newTokens: 0, pastTokens: 0 }];
    const cost = { ...costPerPosition, bytes: { ...costPerPosition.bytes, weights } };
    expect(servedLedger(cost, counts, times).work.memoryTraffic).toBe(100 * 9);
    const drafted = { ...counts, drafted: 7, accepted: 4 };
    expect(servedLedger(cost, drafted, times).work.memoryTraffic).toBe(100 * (1 + 4));
  });

  it('holds the prompt from the start, and a position more with each token, evenly', () => {
    const { work, stages } = servedLedger(costPerPosition, counts, times);
    let positionSeconds = 20 * 2;
    for (let step = 1; step <= 8; step++) positionSeconds += (20 + step) * 0.5;
    positionSeconds += 28 * 1;
    expect(work.kvByteSeconds).toBeCloseTo(kvBytesPerPosition * positionSeconds, 9);
    expect(stages[0]!.work.kvByteSeconds).toBe(kvBytesPerPosition * 20 * 2);
  });

  it('says that reasoning which was not streamed has no end that was seen', () => {
    const { stages, work, absent } = servedLedger(costPerPosition, { ...counts, reasoning: 5 }, times);
    expect(work.kvByteSeconds).toBeNull();
    expect(absent).toEqual({ kvByteSeconds: 'unsupported' });
    expect(stages.map(({ type, billed, times }) => [type, billed, times.started, times.ended])).toEqual([
      ['prefill', 20, 1e9, 3e9],
      ['reasoning', 5, 3e9, 3e9],
      ['decode', 4, 3e9, 8e9],
    ]);
    expect(work.flops).toBe(10 * (20 + 8));
  });

  it('derives nothing without a shape, or from one that was counted in part', () => {
    const { work, absent, stages } = servedLedger(null, counts, times);
    expect(Object.values(work)).toEqual(Object.values(work).map(() => null));
    expect(Object.keys(absent!).sort()).toEqual([
      'activationBytes',
      'flops',
      'kvByteSeconds',
      'kvBytes',
      'memoryTraffic',
    ]);
    expect(stages.map(({ tokens }) => tokens)).toEqual([20, 9]);
    const partial = servedLedger({ ...costPerPosition, notCounted: 'an operator' }, counts, times);
    expect(partial.work).toMatchObject({ flops: null, memoryTraffic: null, kvBytes: 8 * 28 });
  });
});
