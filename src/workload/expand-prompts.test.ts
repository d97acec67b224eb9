import { describe, expect, it } from 'vitest';
import { expandPrompts } from './expand-prompts.js';
import { loadPipeline } from './pipelines/pipeline.js';
import { contextPositions } from './pipelines/variants.js';
import { requestOf, schedule } from './schedule.js';
import { promptTimelineOf } from './timeline.js';

// A token a character, so that lengths can be read off.
const model = {
  ...{ spec: 'm', id: 'm', contextLength: 100 },
  countTokens: ({ text }: { text: string }) => text.length,
};
const prompt = (name: string, tokens: number, answerTokens: number) => ({
  name,
  text: 'x'.repeat(tokens),
  answerTokens,
});
const workload = (...prompts: ReturnType<typeof prompt>[]) => ({
  path: 'mine/own.jsonl',
  prompts,
  skipped: 0,
});

describe('expanding prompts of a user', () => {
  it('makes a cell of each, with its lengths and a forced answer, measured three times', () => {
    const plan = expandPrompts(workload(prompt('a', 3, 8), prompt('line 2', 5, 8)), [model]);
    expect(plan).toMatchObject({ suite: 'prompts:own', repetitions: 3, warnings: [] });
    expect(plan.cells).toMatchObject([
      { id: 'm/a/c8', factors: { prompt: 'a', promptTokens: 3, completionTokens: 8 }, count: 1 },
      { id: 'm/line 2/c8', request: { prompt: { text: 'xxxxx' }, completionTokens: 8, stop: 'forced' } },
    ]);
  });

  it('runs prompts that are alike as often as the file holds them', () => {
    const { cells } = expandPrompts(workload(prompt('a', 3, 8), prompt('b', 3, 8), prompt('c', 3, 9)), [
      model,
    ]);
    expect(cells.map(({ id, count }) => [id, count])).toEqual([
      ['m/a/c8', 2],
      ['m/c/c9', 1],
    ]);
  });

  it('cuts an answer to what the context leaves, and leaves out a prompt that leaves nothing', () => {
    const asked = workload(
      prompt('a', 90, 10),
      prompt('b', 90, 11),
      prompt('c', 99, 64),
      prompt('d', 100, 1),
    );
    const { cells, warnings } = expandPrompts(asked, [model]);
    expect(cells.map(({ id }) => id)).toEqual(['m/a/c10', 'm/b/c10', 'm/c/c1']);
    expect(cells[2]).toMatchObject({ factors: { completionTokens: 1 }, request: { completionTokens: 1 } });
    expect(warnings.map(({ code, message }) => [code, message])).toEqual([
      [
        'beyond-context',
        '1 prompt leaves no room for an answer in the 100 tokens that m can hold, and is left out: d.',
      ],
      [
        'answers-capped',
        'The answers to 2 prompts were cut to what the 100 tokens that m can hold leave beside the prompt.',
      ],
    ]);
  });

  it('counts what a pipeline puts into the context', async () => {
    const pipeline = await loadPipeline('guarded-rag-reasoning');
    const { pipeline: through, completionTokens } = expandPrompts(workload(prompt('a', 30, 64)), [model], {
      pipeline,
    }).cells[0]!.request;
    expect(through?.name).toBe('guarded-rag-reasoning');
    expect(completionTokens).toBeLessThan(64);
    expect(contextPositions(through!, 30, completionTokens)).toBeLessThanOrEqual(100);
    expect(contextPositions(through!, 30, completionTokens + 1)).toBeGreaterThan(100);
  });

  it('leaves lengths to the run where only the engine can count them', () => {
    const { countTokens: _, ...uncounted } = model;
    const { cells } = expandPrompts(workload(prompt('a', 200, 8)), [uncounted]);
    expect(cells[0]!.factors).toEqual({
      ...{ prompt: 'a', completionTokens: 8, batch: 1, stop: 'forced', sampling: 'greedy' },
    });
  });

  it('tells of conversations in which nobody asks', () => {
    const { warnings } = expandPrompts({ ...workload(prompt('a', 1, 1)), skipped: 2 }, [model]);
    expect(warnings).toMatchObject([
      { code: 'prompts-left-out', message: expect.stringMatching(/^2 convers/) },
    ]);
  });
});

describe('the timeline of prompts', () => {
  const timed = (name: string, tokens: number, arrivalNs: number) => ({
    ...prompt(name, tokens, 8),
    arrivalNs,
  });
  const asked = workload(timed('a', 3, 0), timed('b', 5, 40), timed('c', 3, 90), timed('d', 200, 95));

  it('has those that are run in their order, alike ones in the cell that they share', () => {
    const { cells, timeline } = expandPrompts(asked, [model]);
    expect(cells.map(({ id, count }) => [id, count])).toEqual([
      ['m/a/c8', 2],
      ['m/b/c8', 1],
    ]);
    expect(timeline!.map(({ cell, arrivalNs }) => [cell, arrivalNs])).toEqual([
      ['m/a/c8', 0],
      ['m/b/c8', 40],
      ['m/a/c8', 90],
    ]);
    const scheduled = schedule({ cells, timeline }, { repetitions: 1, seed: 1, order: 'trace' });
    expect(requestOf(scheduled[1]!).prompt).toMatchObject({ kind: 'text', text: 'xxxxx' });
  });

  it('is refused where the cells are of other prompts', () => {
    const { cells } = expandPrompts(asked, [model]);
    const other = [timed('a', 4, 0), timed('b', 5, 40)];
    expect(() => promptTimelineOf(other, { models: [model], cells, seed: 1 })).toThrow(
      expect.objectContaining({ code: 'trace-changed' }),
    );
  });

  it('is absent where they have no times', () => {
    expect(expandPrompts(workload(prompt('a', 3, 8)), [model])).not.toHaveProperty('timeline');
  });
});
