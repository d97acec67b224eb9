import { describe, expect, it } from 'vitest';
import { expandTrace } from './expand-trace.js';
import { loadPipeline } from './pipelines/pipeline.js';
import type { WorkloadPlan } from './plan.js';
import { requestOf, schedule } from './schedule.js';
import { timelineOf } from './timeline.js';
import { runsOf } from './traces/block-ids.js';
import type { TraceRequest } from './traces/format.js';

const model = (id: string, contextLength = 4096) => ({ spec: id, id, contextLength });
const request = (promptTokens: number, completionTokens: number, rest: Partial<TraceRequest> = {}) => ({
  ...{ promptTokens, completionTokens, arrivalNs: null, blocks: null },
  ...rest,
});
const traceOf = (requests: TraceRequest[]) => ({ name: 'mine', requests, warnings: [] });

const promptsOf = (plan: WorkloadPlan) =>
  schedule(plan, { repetitions: 1, seed: 1, order: 'trace' }).map((one) => requestOf(one).prompt);

describe('the timeline of a trace', () => {
  it('has its requests in its order, with their times and cells', () => {
    const trace = traceOf([
      request(8, 2, { arrivalNs: 0 }),
      request(9, 2, { arrivalNs: 5 }),
      request(8, 2, { arrivalNs: 5 }),
    ]);
    const { cells, timeline } = expandTrace(trace, [model('m')]);
    expect(cells.map(({ id, count }) => [id, count])).toEqual([
      ['m/p8/c2', 2],
      ['m/p9/c2', 1],
    ]);
    expect(timeline!.map(({ cell, arrivalNs }) => [cell, arrivalNs])).toEqual([
      ['m/p8/c2', 0],
      ['m/p9/c2', 5],
      ['m/p8/c2', 5],
    ]);
  });

  it('gives requests of equal lengths different prompts, which follow from the seed', () => {
    const trace = traceOf([request(8, 2), request(8, 2)]);
    const prompts = (seed: number) => promptsOf(expandTrace(trace, [model('m')], { seed }));
    expect(prompts(1)[0]).not.toEqual(prompts(1)[1]);
    expect(prompts(1)).toEqual(prompts(1));
    expect(prompts(1)).not.toEqual(prompts(2));
  });

  it('has the blocks of prompts, those that a context shortens cut', () => {
    const blocks = { ids: runsOf([7, 8, 20, 21]), count: 4, size: 16 };
    const trace = traceOf([request(60, 60, { blocks }), request(8, 2)]);
    expect(promptsOf(expandTrace(trace, [model('m', 64)]))).toMatchObject([
      { tokens: 32, blocks: { ids: [7, 8], size: 16 } },
      { tokens: 8 },
    ]);
    const [whole, none] = promptsOf(expandTrace(trace, [model('m')]));
    expect(whole).toMatchObject({ tokens: 60, blocks: { ids: [7, 8, 20, 21] } });
    expect(none).not.toHaveProperty('blocks');
  });

  it('gives each model all requests, with the same prompts where both can hold them', () => {
    const trace = traceOf([request(8, 2, { arrivalNs: 0 }), request(40, 40, { arrivalNs: 3 })]);
    const plan = expandTrace(trace, [model('a'), model('b', 40)]);
    const cells = plan.timeline!.map(({ cell }) => cell);
    expect(cells).toEqual(['a/p8/c2', 'b/p8/c2', 'a/p40/c40', 'b/p20/c20']);
    const [first, second] = promptsOf(plan);
    expect(first).toEqual(second);
  });

  it('deals the outcomes of a pipeline out by seed, each as often as it counts', async () => {
    const pipeline = await loadPipeline('guarded-chat');
    const trace = traceOf(Array.from({ length: 40 }, () => request(8, 2)));
    const { cells, timeline } = expandTrace(trace, [model('m')], { pipeline });
    expect(cells.length).toBeGreaterThan(1);
    const order = timeline!.map(({ cell }) => cell);
    for (const { id, count } of cells) expect(order.filter((cell) => cell === id)).toHaveLength(count);
    // Not one cell after the other.
    expect(order).not.toEqual(cells.flatMap(({ id, count }) => Array(count).fill(id)));
    expect(timelineOf(trace, { models: [model('m')], cells, seed: 1 })).toEqual(timeline);
  });

  it('leaves out the requests of cells that are not run', () => {
    const trace = traceOf([request(8, 2), request(9, 2), request(8, 2)]);
    const { cells, timeline } = expandTrace(trace, [model('m')]);
    const kept = timelineOf(trace, { models: [model('m')], cells: cells.slice(1), seed: 1 });
    expect(kept).toEqual([timeline![1]]);
  });

  it('is refused where the cells are of another trace', () => {
    const { cells } = expandTrace(traceOf([request(8, 2), request(9, 2)]), [model('m')]);
    const other = traceOf([request(8, 2), request(10, 2)]);
    expect(() => timelineOf(other, { models: [model('m')], cells, seed: 1 })).toThrow(
      expect.objectContaining({ code: 'trace-changed' }),
    );
  });
});
