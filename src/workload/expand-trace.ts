import type { Warning } from '../core/codes.js';
import { deriveSeed } from '../stats/random.js';
import { type ExpandOptions, syntheticPrompt } from './expand.js';
import { drawnPipelines, type PipelineVariant, pipelineVariants } from './pipelines/variants.js';
import type { ModelIdOf, PlannedCell, PlannedModel, WorkloadPlan } from './plan.js';
import { clip, lengthsId, timelineOf } from './timeline.js';
import type { Trace } from './trace.js';
import type { TraceRequest } from './traces/format.js';

/**
 * The cells of a trace over a run's models: requests of equal lengths share a cell and are run `count`
 * times a round, with synthetic prompts of that length and a forced completion.
 *
 * Requests longer than a model's context are shortened to fill it exactly (see `clip`); how many is said
 * in one warning per model. A trace is run once unless more repetitions are asked for. Its order, its times and the
 * prompts that its blocks make are in the timeline.
 */
export function expandTrace(
  trace: Pick<Trace, 'name' | 'requests' | 'warnings'>,
  models: readonly PlannedModel[],
  { seed = 1, pipeline, modelIdOf = ({ spec }) => spec }: ExpandOptions = {},
): WorkloadPlan {
  const warnings: Warning[] = [...trace.warnings];
  const cells = models.flatMap((model) => {
    const clipped = trace.requests.map((request) => clip(request, model.contextLength));
    const count = clipped.filter((request, index) => request !== trace.requests[index]).length;
    if (count > 0) warnings.push(shortened(model, count, clipped.length));
    const cells = cellsOf(clipped, model, seed);
    if (pipeline === undefined) return cells;
    const [variant] = pipelineVariants([pipeline], {});
    return cells.flatMap((cell) => throughPipeline(cell, variant!, { seed, modelIdOf }));
  });
  return {
    suite: `trace:${trace.name}`,
    seed,
    repetitions: 1,
    concurrency: 1,
    cells,
    timeline: timelineOf(trace, { models, cells, seed }),
    questions: [],
    warnings,
  };
}

/** The cell's requests, for each of which chance decides anew what the pipeline leaves to it. */
function throughPipeline(
  cell: PlannedCell,
  variant: PipelineVariant,
  { seed, modelIdOf }: { seed: number; modelIdOf: ModelIdOf },
): PlannedCell[] {
  const drawSeed = deriveSeed(seed, ...Buffer.from(cell.id));
  const draws = { draws: cell.count, merged: true, seed, drawSeed, difficulty: 1, policies: [], modelIdOf };
  return drawnPipelines(variant, draws).map(({ idParts, factors, request, count }) => ({
    ...cell,
    id: [cell.id, ...idParts].join('/'),
    factors: { ...cell.factors, ...factors },
    request: { ...cell.request, ...(request && { pipeline: request }) },
    count,
  }));
}

/** One for all cells, of which there may be 100,000. */
const greedy = { kind: 'greedy' } as const;

function cellsOf(requests: readonly TraceRequest[], model: PlannedModel, seed: number): PlannedCell[] {
  const groups = new Map<string, TraceRequest[]>();
  for (const request of requests) {
    const id = lengthsId(model.id, request);
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [request]);
    else group.push(request);
  }
  return [...groups].map(([id, group]) => {
    const { promptTokens, completionTokens } = group[0]!;
    return {
      id,
      model: model.id,
      factors: { promptTokens, completionTokens, batch: 1, stop: 'forced', sampling: 'greedy' },
      request: {
        prompt: syntheticPrompt(promptTokens, seed),
        completionTokens,
        batch: 1,
        stop: 'forced',
        sampling: greedy,
      },
      count: group.length,
    };
  });
}

function shortened({ id, contextLength }: PlannedModel, count: number, of: number): Warning {
  return {
    code: 'trace-clipped',
    message: `${count} of the trace's ${of} requests exceed the ${contextLength} tokens that ${id} can hold, and were shortened to them.`,
    hint: 'Prompt and completion shrink by the same factor. A model with a longer context runs them whole.',
  };
}
