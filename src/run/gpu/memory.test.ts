import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CostModel } from '../../core/cost.js';
import { describeModel } from '../../models/describe-model.js';
import { loadRecipe } from '../../models/recipe.js';
import { plainChat, stagePolicySchema } from '../../stages/pipeline.js';
import { wantedModels } from '../../workload/models.js';
import type { PlannedCell } from '../../workload/plan.js';
import { loadSuite } from '../../workload/suite.js';
import { builtWeightBytes, fittingCells, fittingModels, requestBytes } from './memory.js';

const gpu = (gib: number) => ({
  freeBytes: gib * 2 ** 30,
  adapter: {
    name: 'GPU',
    kind: 'discrete' as const,
    memoryBytes: null,
    largestBufferBytes: null,
    driver: null,
  },
});
const suite = [
  { spec: 'llama-3.2-1b', dtype: 'fp16' as const },
  { spec: 'llama-3-8b', dtype: 'fp16' as const },
  { spec: 'llama-3-8b', dtype: 'q4' as const },
];

const cost = {
  flops: { matmul: [], executed: [], causal: [], elementwise: [] },
  bytes: { weights: [], kvRead: [], kvWritten: [], activations: [] },
  mixture: null,
  parameters: 0,
  kvBytesPerToken: 0,
} as CostModel;
const layer = {
  pastKey: '',
  pastValue: '',
  presentKey: '',
  presentValue: '',
  heads: 8,
  headDim: 64,
  dtype: 'fp16' as const,
};
const decoder = {
  layers: [layer, layer],
  vocabulary: 1000,
  cacheInPlace: true,
  logits: { name: 'logits', dtype: 'fp32' as const, lastPositionOnly: false },
};

describe('the memory of a GPU', () => {
  it('holds two bytes a weight in fp16, 5 bits in q4 with the embedding table in fp32', async () => {
    const recipe = await loadRecipe('llama-3-8b');
    expect(builtWeightBytes(recipe, 'fp16')).toBe(2 * 8_030_261_248);
    expect(builtWeightBytes(recipe, 'q4')).toBe((5 * 8_030_261_248) / 8 + 4 * 128_256 * 4096);
  });

  it('decides which models run together, before any is built', async () => {
    expect((await fittingModels(suite, gpu(80))).models).toEqual(suite);
    const { models, warnings } = await fittingModels(suite, gpu(16));
    expect(models).toEqual([suite[0], suite[2]]);
    expect(warnings).toMatchObject([
      {
        code: 'beyond-device-memory',
        message: expect.stringMatching(/^llama-3-8b \(fp16\) is left out: .*15\.0 GiB/),
      },
    ]);
  });

  it('holds the logits of a batch’s last positions in the gpu suite, not of all', async () => {
    const prompt = { kind: 'synthetic' as const, tokens: 512, seed: 1 };
    const cell = { request: { prompt, completionTokens: 128, batch: 32 } } as Pick<PlannedCell, 'request'>;
    for (const { model, dtype } of (await loadSuite('gpu')).models) {
      const { decoder, cost } = await describeModel(model, { dtype });
      const { largest } = requestBytes(cell, { decoder: decoder!, cost: cost!, graphVariant: 'contrib' });
      expect(largest, model).toBe(4 * 32 * decoder!.vocabulary);
    }
  });

  // Weights in GiB: 1B fp16 2.3, q4 1.7; 8B fp16 15.0, q4 6.6; qwen2.5-7b 14.2; olmoe 12.9; of what is free
  // 0.9 × 0.85 is for weights.
  it.each([
    [2, []],
    [8, ['llama-3.2-1b fp16', 'llama-3.2-1b q4']],
    [16, ['llama-3.2-1b fp16', 'llama-3.2-1b q4', 'llama-3-8b q4']],
    [24, ['llama-3.2-1b fp16', 'llama-3.2-1b q4', 'llama-3-8b q4']],
    [
      80,
      [
        ...['llama-3.2-1b fp16', 'llama-3.2-1b q4', 'llama-3-8b fp16', 'llama-3-8b q4'],
        ...['qwen2.5-7b fp16', 'olmoe-1b-7b fp16'],
      ],
    ],
  ])('of %i GiB takes of the gpu suite what it holds', async (gib, expected) => {
    const { models } = await fittingModels(wantedModels(await loadSuite('gpu')), gpu(gib));
    expect(models.map(({ spec, dtype }) => `${spec} ${dtype}`)).toEqual(expected);
  });

  it('takes all where it is not known', async () => {
    expect(await fittingModels(suite, { freeBytes: null, adapter: null })).toEqual({
      models: suite,
      warnings: [],
    });
  });

  it('is taken by a request’s cache, twice where it does not grow in place, and by its logits', () => {
    const prompt = { kind: 'synthetic' as const, tokens: 100, seed: 1 };
    const cell = { request: { prompt, completionTokens: 28, batch: 4 } } as Pick<PlannedCell, 'request'>;
    const of = (part: object) =>
      requestBytes(cell, { decoder: { ...decoder, ...part } as never, cost, graphVariant: 'contrib' });
    const cache = 4 * 128 * 2 * 2 * 8 * 64 * 2;
    expect(of({})).toEqual({ inAll: cache + 1.5 * 4 * 100 * 1000 * 4, largest: 4 * 100 * 1000 * 4 });
    expect(of({ cacheInPlace: false }).inAll - of({}).inAll).toBe(cache);
  });

  it('is taken by the prefix caches of all cells together, as they stay while others run', () => {
    const directory = mkdtempSync(join(tmpdir(), 'tokenwork-device-memory-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const model = {
      ...{ kind: 'decoder', id: 'm' },
      folder: { onnxPath: join(directory, 'model.onnx'), decoder, cost, graphVariant: 'contrib' },
    } as never;
    const cell = (id: string, cacheTokens: number | null, blockTokens = 16): PlannedCell => {
      const cache = cacheTokens === null ? {} : { cache: 'cold', cacheTokens, blockTokens };
      const stages = [stagePolicySchema.parse({ type: 'prefill', ...cache })];
      return {
        ...{ id, model: 'm', factors: {}, count: 1 },
        request: {
          ...{ prompt: { kind: 'synthetic', tokens: 8, seed: 1 }, completionTokens: 8, batch: 1 },
          ...{ stop: 'forced', sampling: { kind: 'greedy' }, pipeline: { ...plainChat, stages } },
        },
      };
    };
    // Two layers of keys and values, 8 heads of 64 halves: 4 KiB a position. A request takes less than 1 MiB.
    const mib = (positions: number) => (positions * 4) / 1024;
    const fitting = (free: number, cells: PlannedCell[], concurrency = 1) =>
      fittingCells(cells, [model], gpu((free + 1) / 1024 / 0.9), concurrency).cells.map(({ id }) => id);
    const all = [
      cell('plain', null),
      cell('a', 1024),
      cell('a again', 1024),
      cell('b', 2048),
      cell('c', 512),
    ];
    expect(fitting(mib(1024 + 2048 + 512), all)).toEqual(['plain', 'a', 'a again', 'b', 'c']);
    expect(fitting(mib(1024 + 2048), all)).toEqual(['plain', 'a', 'a again', 'b']);
    expect(fitting(mib(1024 + 512), all)).toEqual(['plain', 'a', 'a again', 'c']);
    // Every worker has caches of its own.
    expect(fitting(mib(1024 + 512), all, 2)).toEqual(['plain', 'c']);
    // Of 1,023 positions, 512 are a whole block; other blocks are another cache.
    expect(fitting(mib(512), [cell('d', 1023, 512)])).toEqual(['d']);
    expect(fitting(mib(1024), [cell('a', 1024, 16), cell('e', 1024, 8)])).toEqual(['a']);
  });
});
