import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkLedger } from '../core/ledger-check.js';
import { plainChat, type RequestPipeline, type StagePolicy, stagePolicySchema } from './pipeline.js';
import type { RequestInput } from './request.js';
import { Resources } from './resources.js';
import { type FinishedRequest, prepareRequest, runRequest } from './run-request.js';
import { costPerPosition, fakeDecoder, kvBytesPerPosition } from './testing/fake-decoder.js';
import { plainRequest } from './testing/plain-request.js';

function pipelineOf(
  stages: readonly object[],
  { drawn = {}, models = {} }: Partial<RequestPipeline> = {},
): RequestPipeline {
  return {
    ...plainChat,
    name: 'test',
    stages: stages.map((stage): StagePolicy => stagePolicySchema.parse(stage)),
    drawn,
    models,
  };
}

/** A clock on which every reading is one second after the one before; CPU time runs at half its pace. */
function tickingInstruments() {
  let seconds = 0;
  let cpuSeconds = 0;
  return { clock: { now: () => ++seconds * 1e9 }, cpuTime: () => ++cpuSeconds * 5e8 };
}

const fakeModel = () => ({
  id: 'm',
  decoder: fakeDecoder(),
  cost: costPerPosition,
  costOfAllLogits: costPerPosition,
  eosTokenIds: [49],
  tokenizer: null,
});

/** In what the request's stages do not add up to it. */
function rulesBroken(outcome: FinishedRequest): string[] {
  const { violations } = checkLedger({ conservation: {}, requests: [{ id: 0, ...outcome }] });
  return violations.map(({ rule, example }) => `${rule}: ${example.replace('request 0: ', '')}`);
}

async function run(
  pipeline: RequestPipeline,
  input: Partial<RequestInput> = {},
  chat = fakeModel(),
  resources = new Resources(new Map([['small', fakeModel()]])),
): Promise<FinishedRequest> {
  const request: RequestInput = {
    ...plainRequest,
    pipeline,
    ...input,
  };
  const control = { stopRequested: () => false, onStep() {} };
  await prepareRequest(request, chat, resources);
  const outcome = await runRequest(request, chat, tickingInstruments(), control, resources);
  if (outcome.status !== 'ok') throw new Error(`${outcome.code}: ${outcome.message}`);
  expect(chat.decoder.openSequences).toBe(0);
  return outcome;
}

const stageOf = ({ stages }: FinishedRequest, name: string) => stages.find((stage) => stage.name === name)!;
const plainStages = [{ type: 'tokenization' }, { type: 'prefill' }, { type: 'decode' }];

describe('a ledger', () => {
  it('adds up to its request in every metric, counting nothing twice, whatever the pipeline', async () => {
    const cache = fc.constantFrom('none', 'cold', 'partial', 'warm', 'evicted');
    const speculation = fc.constantFrom('none', 'draft', 'lookup');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(40), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 12 }),
        fc.record({ systemTokens: fc.nat(20), historyTurns: fc.nat(2), cache, blockTokens: fc.nat(6) }),
        fc.record({ tokens: fc.nat(9), billed: fc.boolean() }),
        fc.record({ speculation, acceptance: fc.double({ min: 0, max: 1, noNaN: true }) }),
        async (ids, completionTokens, prefill, { tokens, billed }, decode) => {
          const pipeline = pipelineOf(
            [
              { type: 'tokenization' },
              { type: 'prefill', ...prefill, blockTokens: prefill.blockTokens + 1 },
              { type: 'reasoning', billed },
              { type: 'decode', draft: 'draft', ...decode },
              { type: 'detokenization' },
            ],
            { drawn: { reasoning: { tokens } }, models: { draft: 'small' } },
          );
          const outcome = await run(pipeline, { prompt: { kind: 'ids', ids }, completionTokens });
          expect(rulesBroken(outcome)).toEqual([]);
          const { prompt, completion, reasoning } = outcome.tokens;
          const history = prefill.historyTurns * (ids.length + completionTokens);
          expect(prompt).toBe(prefill.systemTokens + history + ids.length);
          expect(reasoning).toBe(billed ? tokens : 0);
          expect(completion).toBe(completionTokens + reasoning);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('says what does not add up, with both numbers', async () => {
    const sound = await run(pipelineOf(plainStages));
    const broken = structuredClone(sound);
    broken.stages[1]!.work.flops! += 7;
    broken.stages[2]!.billed--;
    broken.stages[2]!.times.started += 5;
    broken.tokens.cached = 1;
    const { started, ended } = sound.times;
    expect(rulesBroken(broken)).toEqual([
      'billed tokens of stages add up to the request: 6 against 7',
      'cached tokens of stages add up to the request: 0 against 1',
      'flops of stages adds up to the request: 67 against 60',
      `stages follow each other without a gap or an overlap: ${ended - started - 5} against ${ended - started}`,
    ]);
  });
});

describe('hidden reasoning', () => {
  const reasoned = (billed: boolean, tokens: number) =>
    run(
      pipelineOf(
        [{ type: 'tokenization' }, { type: 'prefill' }, { type: 'reasoning', billed }, { type: 'decode' }],
        { drawn: { reasoning: { tokens } } },
      ),
    );

  it('costs a pass for each of its tokens, and the answer costs as much as without', async () => {
    const [without, hidden] = [await reasoned(false, 0), await reasoned(false, 5)];
    expect(stageOf(hidden, 'decode').work.flops).toBe(stageOf(without, 'decode').work.flops);
    expect(stageOf(hidden, 'reasoning').work.flops).toBe(5 * 10);
    expect(hidden.tokens).toMatchObject({ prompt: 3, completion: 4, reasoning: 0, processed: 12, hidden: 5 });
    // The same greedy chain, five tokens further on.
    expect(without.completions).toEqual([[4, 5, 6, 7]]);
    expect(hidden.completions).toEqual([[9, 10, 11, 12]]);
    expect(hidden.tokenGapsNs).toHaveLength(3);
    expect(hidden.times.firstToken).toBeGreaterThan(stageOf(hidden, 'prefill').times.ended);
  });

  it('is part of the completion where it is billed', async () => {
    const billed = await reasoned(true, 5);
    expect(billed.tokens).toMatchObject({ completion: 9, reasoning: 5, processed: 12, hidden: 0 });
    expect(stageOf(billed, 'reasoning')).toMatchObject({ visible: true, tokens: 5, billed: 5 });
  });
});

describe('the prefix cache', () => {
  const cached = (cache: string, more: object = {}) =>
    run(
      pipelineOf([
        { type: 'tokenization' },
        { type: 'prefill', systemTokens: 32, blockTokens: 4, cacheTokens: 64, cache, ...more },
        { type: 'decode' },
      ]),
      { prompt: { kind: 'ids', ids: [1, 2, 3, 4, 5, 6, 7, 8, 9] } },
    );

  it('bills the same tokens whatever it holds, and evaluates those alone that it lacks', async () => {
    for (const [state, found] of Object.entries({ cold: 0, partial: 32, warm: 40, evicted: 0 })) {
      const outcome = await cached(state);
      expect(outcome.tokens).toMatchObject({ prompt: 41, completion: 4, cached: found });
      expect(outcome.tokens.processed).toBe(41 - found + 4);
      expect(stageOf(outcome, 'prefill')).toMatchObject({ tokens: 41 - found, billed: 41 - found });
      expect(stageOf(outcome, 'cache lookup')).toMatchObject({
        visible: found > 0,
        tokens: 0,
        billed: found,
        cached: found,
      });
      expect(outcome.work.flops).toBe(10 * (41 - found + 3));
    }
  });

  it('stores what was computed, pushing out others where it is full', async () => {
    // 41 + 3 evaluated positions are 11 blocks of 4, in a cache of 16.
    expect(stageOf(await cached('cold'), 'cache store').detail).toMatchObject({ stored: 11, evicted: 0 });
    expect(stageOf(await cached('evicted'), 'cache store').detail).toMatchObject({ stored: 11, evicted: 11 });
    expect(stageOf(await cached('warm'), 'cache store').detail).toMatchObject({ stored: 1, present: 10 });
  });

  it('says what it holds, and counts what is copied from and to it as read and written', async () => {
    const blockBytes = 4 * kvBytesPerPosition;
    for (const [state, found, stored, held] of [
      ['cold', 0, 11, 11],
      ['warm', 10, 1, 11],
      ['evicted', 0, 11, 16],
    ] as const) {
      const outcome = await cached(state);
      expect(stageOf(outcome, 'cache lookup').work!.memoryTraffic).toBe(2 * found * blockBytes);
      expect(stageOf(outcome, 'cache store').work!.memoryTraffic).toBe(2 * stored * blockBytes);
      expect(stageOf(outcome, 'cache store').detail!.heldBytes).toBe(held * blockBytes);
    }
  });

  it('finds what the turns before have left, turn after turn of one conversation', async () => {
    const [chat, resources] = [fakeModel(), new Resources()];
    const turn = async (historyTurns: number, ids = [11, 12, 13, 14]) => {
      const stages = [
        { type: 'tokenization' },
        {
          type: 'prefill',
          systemTokens: 8,
          blockTokens: 4,
          cacheTokens: 256,
          cache: 'partial',
          historyTurns,
        },
        { type: 'decode' },
      ];
      return run(pipelineOf(stages), { prompt: { kind: 'ids', ids } }, chat, resources);
    };
    for (const turns of [0, 1, 2, 3]) {
      const { tokens } = await turn(turns);
      expect(tokens).toMatchObject({ prompt: 8 + turns * 8 + 4, cached: 8 + turns * 8 });
    }
    // What is behind the system prompt is a prompt of 4 and the very answer that the model gives to it.
    const history = resources.conversation([chat.id, 0, 8, 4, 4].join(' '));
    expect(history).toHaveLength(3 * 8);
    for (const begin of [0, 8, 16]) {
      const asked = history.slice(begin, begin + 4);
      expect((await turn(begin / 8, asked)).completions[0]).toEqual(history.slice(begin + 4, begin + 8));
    }
  });

  it('holds what it copies in as the request’s own', async () => {
    const { work } = await cached('warm');
    expect(work.kvBytes).toBe(kvBytesPerPosition * (41 + 3));
  });
});

describe('speculation', () => {
  const speculative = (policy: object) =>
    run(
      pipelineOf([{ type: 'tokenization' }, { type: 'prefill' }, { type: 'decode', ...policy }], {
        models: { draft: 'small' },
      }),
      { completionTokens: 9 },
    );

  it('gives what plain decoding gives, the draft’s and the rejected positions being hidden', async () => {
    const plain = await speculative({});
    const drafted = await speculative({ speculation: 'draft', draft: 'draft', drafts: 3 });
    expect(drafted.completions).toEqual(plain.completions);
    const { detail, tokens } = stageOf(drafted, 'decode');
    // The fake draft is the fake target: all is accepted, in rounds of 4.
    expect(detail).toMatchObject({ drafted: 6, accepted: 6, rejected: 0, rounds: 2, acceptanceBy: 'model' });
    expect(drafted.tokens.hidden).toBe(detail!.draftPositions);
    expect(tokens).toBe(9 + Number(detail!.draftPositions));
  });

  it('counts rejected drafts as hidden', async () => {
    const { stages, tokens } = await speculative({
      speculation: 'draft',
      draft: 'draft',
      drafts: 3,
      acceptance: 0,
    });
    const { detail } = stages.find(({ type }) => type === 'speculation')!;
    expect(detail).toMatchObject({ accepted: 0, acceptanceBy: 'workload' });
    expect(tokens.hidden).toBe(Number(detail!.rejected) + Number(detail!.draftPositions));
  });
});
