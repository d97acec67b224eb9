import { describe, expect, it } from 'vitest';
import { testModel, testResult } from '../../analysis/result.test-support.js';
import { withinBudget } from './budget.js';
import type { PreparedRun } from './prepare.js';

/** Cells of one output token, whose prefill takes 1 s each at the ceilings of the test's machine. */
function prepared(models: readonly string[], budget: number | 'none'): PreparedRun {
  const cost = { ...testModel('m', 'fp32').cost };
  const flops = [{ coefficient: 1e9, batch: 1, newTokens: 1, pastTokens: 0 }];
  const folder = {
    cost: { ...cost, flops: { ...cost.flops, matmul: flops, executed: flops, causal: flops } },
  };
  const cells = models.flatMap((model) =>
    [1, 2, 3, 4, 5, 6].map((n) => ({
      id: `${model}/cell ${n}`,
      model,
      factors: {},
      count: 1,
      request: {
        prompt: { kind: 'synthetic', tokens: 10, seed: n },
        completionTokens: 1,
        batch: 1,
        stop: 'forced',
        sampling: { kind: 'greedy' },
        ...(n === 6 && {
          pipeline: { name: 'p', stages: [], models: { guard: 'guard' }, drawn: {}, seed: 1 },
        }),
      },
    })),
  );
  const all = [...models, 'guard'].map((id) => ({ id, folder }));
  const settings = {
    budget,
    repetitions: 2,
    concurrency: 1,
    warmup: 1,
    models: all.map(({ id }) => ({ id })),
  };
  return { settings, models: all, cells, warnings: [] } as unknown as PreparedRun;
}

const { ceilings } = testResult().hardware;
const ids = ({ cells }: PreparedRun) => cells.map(({ id }) => id);

describe('a budget', () => {
  // 10 tokens × 1 GFLOP at 10 GFLOP/s: 1 s of roofline time, 1.85 s foretold. Twice 3.7 s a cell, one request to warm up
  // (two with the pipeline of the last cell), one of six for peak memory, and twice the 2 s that the ceilings took.
  it('keeps the beginning of the design, and no model that only the rest asks', () => {
    const run = withinBudget(prepared(['m'], 24.4), ceilings, 2);
    expect(ids(run)).toEqual(['m/cell 1', 'm/cell 2', 'm/cell 3', 'm/cell 4']);
    expect(run.models.map(({ id }) => id)).toEqual(['m']);
    expect(run.settings.models.map(({ id }) => id)).toEqual(['m']);
  });

  it('says which cells it left out', () => {
    expect(withinBudget(prepared(['m'], 24.4), ceilings, 2).warnings).toMatchObject([
      {
        code: 'over-budget',
        message: expect.stringMatching(/^2 of 6 cells .* 24\.4 s: m\/cell 5, m\/cell 6\.$/),
      },
    ]);
  });

  it('is shared by models, each keeping as many cells', () => {
    expect(ids(withinBudget(prepared(['a', 'b'], 42.4), ceilings, 2))).toEqual(
      ['a', 'b'].flatMap((model) => [1, 2, 3, 4].map((n) => `${model}/cell ${n}`)),
    );
  });

  it('leaves three cells of a model, however slow', () => {
    expect(ids(withinBudget(prepared(['m'], 0.1), ceilings, 2))).toHaveLength(3);
  });

  it.each([
    ['none is set', prepared(['m'], 'none'), ceilings],
    ['all fit', prepared(['m'], 60), ceilings],
    ['the machine’s ceilings are not known', prepared(['m'], 1), null],
  ] as const)('leaves a run as it is where %s', (_, run, known) => {
    expect(withinBudget(run, known, 2)).toBe(run);
  });
});
