import { describe, expect, it } from 'vitest';
import { expandSuite } from './expand.js';
import { expandTrace } from './expand-trace.js';
import { modelIds, wantedModels } from './models.js';
import { loadPipeline } from './pipelines/pipeline.js';
import { parseSuite } from './suite.js';

const prompts = new Map([
  ['hello', { name: 'hello', kind: 'greeting', language: 'en', difficulty: 1, text: 'Hello' }],
]);
const tiny = { spec: 'tiny', id: 'tiny', contextLength: 512 };

function suiteOf(fields: object) {
  const base = { description: 'x', models: [{ model: 'tiny' }], repetitions: 1 };
  return parseSuite(JSON.stringify({ ...base, ...fields }), 'mine.json', prompts);
}

describe('expanding a suite', () => {
  it('crosses the factors of each block', () => {
    const suite = suiteOf({
      design: [
        { promptTokens: [8, 16], completionTokens: [4], batch: [1, 2] },
        { prompts: ['hello'], completionTokens: [32] },
      ],
    });
    const { cells } = expandSuite(suite, [tiny]);
    expect(cells.map(({ id }) => id)).toEqual([
      'tiny/p8/c4',
      'tiny/p8/c4/b2',
      'tiny/p16/c4',
      'tiny/p16/c4/b2',
      'tiny/hello/c32',
    ]);
    expect(cells[1]).toMatchObject({
      model: 'tiny',
      factors: { promptTokens: 8, completionTokens: 4, batch: 2, stop: 'forced', sampling: 'greedy' },
      request: { prompt: { kind: 'synthetic', tokens: 8 }, completionTokens: 4, batch: 2, stop: 'forced' },
      count: 1,
    });
    expect(cells[4]).toMatchObject({
      factors: { prompt: 'hello', promptKind: 'greeting', language: 'en', completionTokens: 32 },
      request: { prompt: { kind: 'text', text: 'Hello', name: 'hello' } },
    });
  });

  it('gives the same prompt to cells of the same prompt length, by seed', () => {
    const suite = suiteOf({ design: [{ promptTokens: [8, 16], completionTokens: [4, 5] }] });
    const seeds = (seed?: number) =>
      expandSuite(suite, [tiny], seed === undefined ? {} : { seed }).cells.map(({ request }) =>
        request.prompt.kind === 'synthetic' ? request.prompt.seed : null,
      );
    const [p8c4, p8c5, p16c4, p16c5] = seeds();
    expect(p8c4).toBe(p8c5);
    expect(p16c4).toBe(p16c5);
    expect(p8c4).not.toBe(p16c4);
    expect(seeds(1)).toEqual(seeds());
    expect(seeds(2)).not.toEqual(seeds(1));
  });

  it('runs a cell that two blocks share once', () => {
    const block = { promptTokens: [8], completionTokens: [4] };
    expect(expandSuite(suiteOf({ design: [block, block] }), [tiny]).cells).toHaveLength(1);
  });

  it('marks stopping and sampling in the id where they are not the usual', () => {
    const suite = suiteOf({
      design: [{ promptTokens: [8], completionTokens: [4] }],
      stop: 'eos',
      sampling: { kind: 'seeded', temperature: 0.8, topK: 40 },
      seed: 9,
    });
    const [cell] = expandSuite(suite, [tiny]).cells;
    expect(cell!.id).toBe('tiny/p8/c4/eos/t0.8k40');
    expect(cell!.request.sampling).toEqual({ kind: 'seeded', temperature: 0.8, topK: 40, seed: 9 });
    expect(cell!.factors).toMatchObject({ stop: 'eos', sampling: 'seeded', temperature: 0.8, topK: 40 });
  });

  it('leaves out what a model cannot hold, and says so once', () => {
    const suite = suiteOf({ design: [{ promptTokens: [8, 510, 600], completionTokens: [2, 3] }] });
    const plan = expandSuite(suite, [tiny]);
    expect(plan.cells.map(({ id }) => id)).toEqual(['tiny/p8/c2', 'tiny/p8/c3', 'tiny/p510/c2']);
    expect(plan.warnings).toHaveLength(1);
    expect(plan.warnings[0]).toMatchObject({
      code: 'beyond-context',
      message: expect.stringMatching(/^3 cells .*512 tokens that tiny .*tiny\/p510\/c3, tiny\/p600\/c2/),
    });
  });

  it('refuses a plan without any cell', () => {
    const suite = suiteOf({ design: [{ promptTokens: [600], completionTokens: [2] }] });
    expect(() => expandSuite(suite, [tiny])).toThrow(expect.objectContaining({ code: 'nothing-to-run' }));
  });

  it('keeps a block to the models it names, but not from models the user brings', () => {
    const suite = suiteOf({
      models: [{ model: 'tiny' }, { model: 'other' }],
      design: [{ promptTokens: [8], completionTokens: [4], models: ['other'] }],
    });
    const model = (spec: string) => ({ spec, id: spec, contextLength: 512 });
    const ids = expandSuite(suite, ['tiny', 'other', 'mine'].map(model)).cells.map(({ id }) => id);
    expect(ids).toEqual(['other/p8/c4', 'mine/p8/c4']);
  });
});

const pipelines = new Map(
  await Promise.all(
    ['plain-chat', 'reasoning-chat', 'guarded-chat'].map(
      async (name) => [name, await loadPipeline(name)] as const,
    ),
  ),
);

describe('pipelines in a suite', () => {
  const plan = (block: object, options = {}) => {
    const base = { description: 'x', models: [{ model: 'tiny' }], repetitions: 1 };
    const design = [
      { promptTokens: [128], completionTokens: [128] },
      { promptTokens: [8], completionTokens: [4], ...block },
    ];
    const suite = parseSuite(JSON.stringify({ ...base, design }), 'mine.json', prompts, pipelines);
    return expandSuite(suite, [tiny], options).cells;
  };

  it('make cells of their own, their policies being factors', () => {
    const cells = plan({
      pipelines: ['plain-chat', 'reasoning-chat'],
      policies: { 'reasoning.tokens': [0, 16] },
    });
    expect(cells.map(({ id }) => id)).toEqual([
      'tiny/p128/c128',
      'tiny/p8/c4',
      'tiny/p8/c4/reasoning-chat/reasoning.tokens=0',
      'tiny/p8/c4/reasoning-chat/reasoning.tokens=16',
    ]);
    expect(cells[0]!.factors).toMatchObject({ pipeline: 'plain-chat' });
    expect(cells[1]!.request.pipeline).toBeUndefined();
    expect(cells[3]!.factors).toMatchObject({ pipeline: 'reasoning-chat', 'reasoning.tokens': 16 });
    expect(cells[3]!.request.pipeline).toMatchObject({
      name: 'reasoning-chat',
      drawn: { reasoning: { tokens: 16 } },
    });
  });

  it('have as many flagged requests as their rate says, each request a cell', () => {
    const cells = plan({ pipelines: ['guarded-chat'], draws: 8 }).slice(1);
    expect(cells).toHaveLength(8);
    expect(cells.filter(({ factors }) => factors['input safety.flagged'] === true)).toHaveLength(2);
    expect(cells.every(({ count }) => count === 1)).toBe(true);
  });

  it('have one cell, run as often, where chance has nothing to decide', () => {
    const [, cell, ...others] = plan({
      pipelines: ['guarded-chat'],
      policies: { 'input safety.flagRate': [0] },
      draws: 8,
    });
    expect(others).toEqual([]);
    expect(cell).toMatchObject({ count: 8 });
  });

  it('draw alike for all levels of a policy', () => {
    const cells = plan({
      pipelines: ['reasoning-chat'],
      policies: {
        'reasoning.length': ['log-normal'],
        'reasoning.tokens': [16],
        'reasoning.maxTokens': [100],
        'reasoning.billed': [true, false],
      },
      draws: 4,
    }).slice(1);
    const drawn = (billed: boolean) =>
      cells
        .filter(({ factors }) => factors['reasoning.billed'] === billed)
        .map(({ factors }) => factors['reasoning.drawn']);
    expect(drawn(true)).toEqual(drawn(false));
    expect(drawn(true)).toHaveLength(4);
    expect(new Set(drawn(true)).size).toBeGreaterThan(1);
  });

  it('name the run’s models by role', () => {
    const [, cell] = plan(
      { pipelines: ['guarded-chat'], policies: { 'input safety.flagRate': [0] } },
      { modelIdOf: ({ spec, kind }: { spec: string; kind: string }) => `${spec} for ${kind}` },
    );
    expect(cell!.request.pipeline!.models).toEqual({ classifier: 'minilm-l6 for classification' });
  });

  it('give way to one the user names, but for the reference request', () => {
    const pipeline = pipelines.get('reasoning-chat')!;
    const cells = plan({}, { pipeline });
    expect(cells.map(({ id }) => id)).toEqual(['tiny/p128/c128', 'tiny/p8/c4/reasoning-chat']);
    const request = { promptTokens: 8, completionTokens: 2, arrivalNs: null, blocks: null };
    const trace = { name: 'mine', requests: [request], warnings: [] };
    expect(expandTrace(trace, [tiny], { pipeline }).cells[0]!.id).toBe('tiny/p8/c2/reasoning-chat');
  });

  it('leave out cells whose hidden tokens exceed the context', () => {
    const cells = plan({ pipelines: ['reasoning-chat'], policies: { 'reasoning.tokens': [16, 600] } });
    expect(cells.map(({ id }) => id)).toEqual([
      'tiny/p128/c128',
      'tiny/p8/c4/reasoning-chat/reasoning.tokens=16',
    ]);
  });

  it('run neighbours of the same and of different prompts, which one alone has not', () => {
    const cells = plan({ batch: [1, 4], neighbours: ['same', 'different'] }).slice(1);
    expect(cells.map(({ id }) => id)).toEqual(['tiny/p8/c4', 'tiny/p8/c4/b4', 'tiny/p8/c4/b4/different']);
    expect(cells[2]!.factors.neighbours).toBe('different');
  });
});

describe('the models of a run', () => {
  const suite = suiteOf({
    models: [
      { model: 'tiny', dtype: 'q4' },
      { model: 'tiny', dtype: 'fp32' },
    ],
    design: [{ promptTokens: [8], completionTokens: [4] }],
  });

  it("are the suite's own, each in its dtype", () => {
    expect(wantedModels(suite)).toEqual([
      { spec: 'tiny', dtype: 'q4' },
      { spec: 'tiny', dtype: 'fp32' },
    ]);
  });

  it('are those the user names instead, once each, in the dtype the user names', () => {
    expect(wantedModels(suite, { models: ['a', 'b', 'a'] })).toEqual([
      { spec: 'a', dtype: undefined },
      { spec: 'b', dtype: undefined },
    ]);
    expect(wantedModels(suite, { dtype: 'int8' })).toEqual([{ spec: 'tiny', dtype: 'int8' }]);
    expect(wantedModels(null, { models: ['a'], dtype: 'q4' })).toEqual([{ spec: 'a', dtype: 'q4' }]);
  });

  it('are called by their id, told apart by dtype, then by number', () => {
    expect(modelIds([{ id: 'a', dtype: 'q4' }])).toEqual(['a']);
    expect(
      modelIds([
        { id: 'a', dtype: 'q4' },
        { id: 'a', dtype: 'fp16' },
        { id: 'b', dtype: 'q4' },
      ]),
    ).toEqual(['a-q4', 'a-fp16', 'b']);
    expect(
      modelIds([
        { id: 'm', dtype: 'fp32' },
        { id: 'm', dtype: 'fp32' },
        { id: 'm-2', dtype: 'fp32' },
      ]),
    ).toEqual(['m', 'm-3', 'm-2']);
  });
});

describe('a pipeline that the user brought', () => {
  it('leaves out batches that a stage of it cannot run, and says why', async () => {
    const suite = suiteOf({ design: [{ promptTokens: [8], completionTokens: [4], batch: [1, 4] }] });
    const { cells, warnings } = expandSuite(suite, [tiny], {
      pipeline: await loadPipeline('speculative-chat'),
    });
    expect(cells.map(({ request }) => request.batch)).toEqual([1]);
    expect(warnings).toMatchObject([
      {
        code: 'no-batch',
        message: expect.stringMatching(/"draft and verify" .* different numbers of drafts/),
      },
    ]);
    const guarded = expandSuite(suite, [tiny], { pipeline: await loadPipeline('guarded-chat') });
    expect(guarded.cells.map(({ request }) => request.batch)).toEqual([1, 4]);
  });
});
