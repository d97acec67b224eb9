import { describe, expect, it } from 'vitest';
import { expandTrace } from './expand-trace.js';
import { loadPipeline } from './pipelines/pipeline.js';
import { timelineOf } from './timeline.js';
import type { TraceRequest } from './traces/format.js';

const model = (id: string, contextLength = 4096) => ({ spec: id, id, contextLength });
const request = (promptTokens: number, completionTokens: number, rest: Partial<TraceRequest> = {}) => ({
  ...{ promptTokens, completionTokens, arrivalNs: null, blocks: null },
  ...rest,
});
const traceOf = (requests: TraceRequest[]) => ({ name: 'mine', requests, warnings: [] });

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
    expect(timeline!.map(({ prompt }) => prompt.kind === 'synthetic' && prompt.tokens)).toEqual([8, 9, 8]);
  });

  it('gives requests of equal lengths different prompts, which follow from the seed', () => {
    const trace = traceOf([request(8, 2), request(8, 2)]);
    const prompts = (seed: number) =>
      expandTrace(trace, [model('m')], { seed }).timeline!.map(({ prompt }) => prompt);
    expect(prompts(1)[0]).not.toEqual(prompts(1)[1]);
    expect(prompts(1)).toEqual(prompts(1));
    expect(prompts(1)).not.toEqual(prompts(2));
  });

  it('cuts the blocks of a prompt that a context shortens', () => {
    const blocks = { ids: [7, 8, 9, 10], size: 16 };
    const { timeline } = expandTrace(traceOf([request(60, 60, { blocks })]), [model('m', 40)]);
    expect(timeline![0]!.prompt).toMatchObject({ tokens: 20, blocks: { ids: [7, 8], size: 16 } });
  });

  it('gives each model all requests, with the same prompts where both can hold them', () => {
    const trace = traceOf([request(8, 2, { arrivalNs: 0 }), request(40, 40, { arrivalNs: 3 })]);
    const { timeline } = expandTrace(trace, [model('a'), model('b', 40)]);
    expect(timeline!.map(({ cell }) => cell)).toEqual(['a/p8/c2', 'b/p8/c2', 'a/p40/c40', 'b/p20/c20']);
    expect(timeline![0]!.prompt).toEqual(timeline![1]!.prompt);
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
