import { describe, expect, it } from 'vitest';
import { verdictRepetitions } from '../core/verdict.js';
import { plainChat } from '../stages/pipeline.js';
import { expandSuite } from './expand.js';
import { modelIds, wantedModels } from './models.js';
import { listSuites, loadSuite } from './suite.js';

const shipped = await listSuites();

async function planOf(name: string) {
  const suite = await loadSuite(name);
  const wanted = wantedModels(suite);
  const ids = modelIds(wanted.map(({ spec, dtype }) => ({ id: spec, dtype: dtype! })));
  const models = wanted.map(({ spec }, index) => ({ spec, id: ids[index]!, contextLength: 8192 }));
  return { suite, plan: expandSuite(suite, models) };
}

describe.each(shipped)('the suite %s', (name) => {
  it('gives every cell an id of its own', async () => {
    const { cells } = (await planOf(name)).plan;
    expect(cells.length).toBeGreaterThan(3);
    expect(new Set(cells.map(({ id }) => id)).size).toBe(cells.length);
  });

  it('asks what its own cells can answer', async () => {
    const { plan } = await planOf(name);
    for (const { text, factor, baseline, where, by } of plan.questions) {
      const taking = plan.cells.filter(({ factors }) =>
        Object.entries(where).every(([key, level]) => (factors[key] ?? false) === level),
      );
      const levels = new Set(
        taking.map(({ model, factors }) => (factor === 'model' ? model : (factors[factor] ?? false))),
      );
      expect(levels, `${text} has its baseline`).toContain(baseline);
      expect(levels.size, `${text} has another level`).toBeGreaterThan(1);
      for (const key of by)
        expect(
          taking.every(({ factors }) => key in factors),
          text,
        ).toBe(true);
    }
  });

  it('measures a plain token', async () => {
    const { cells } = (await planOf(name)).plan;
    const models = new Set(cells.map(({ model }) => model));
    for (const model of models) {
      const reference = cells.find(
        (cell) =>
          cell.model === model &&
          cell.factors.promptTokens === 128 &&
          cell.factors.completionTokens === 128 &&
          cell.factors.batch === 1 &&
          cell.request.pipeline === undefined,
      );
      expect(reference, model).toBeDefined();
    }
  });
});

it.each(shipped)('%s repeats its cells as often as a verdict needs', async (name) => {
  expect((await loadSuite(name)).repetitions).toBeGreaterThanOrEqual(verdictRepetitions);
});

it('ci runs every type of stage', async () => {
  const { plan } = await planOf('ci');
  const types = plan.cells.flatMap(({ request: { pipeline = plainChat } }) =>
    pipeline.stages.map(({ type }) => type),
  );
  // Speculation is a policy of decode there, and a cache one of prefill.
  expect(new Set(types)).toEqual(
    new Set(['tokenization', 'safety', 'retrieval', 'prefill', 'reasoning', 'decode', 'detokenization']),
  );
  const ids = plan.cells.map(({ id }) => id).join(' ');
  expect(ids).toContain('speculative-chat');
  expect(ids).toContain('prefill.cache=cold');
});

it('plain, which models of one’s own get, asks no other model', async () => {
  const { plan } = await planOf('plain');
  expect(plan.cells.every(({ request }) => request.pipeline === undefined)).toBe(true);
});
