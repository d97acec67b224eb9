import type { Warning } from '../core/codes.js';
import { deriveSeed } from '../stats/random.js';
import { type ExpandOptions, syntheticPrompt } from './expand.js';
import { drawnPipelines, type PipelineVariant, pipelineVariants } from './pipelines/variants.js';
import type { ModelIdOf, PlannedCell, PlannedModel, WorkloadPlan } from './plan.js';
import type { Trace, TraceRequest } from './trace.js';

/**
 * The cells of a trace over a run's models: requests of equal lengths share a cell and are run `count`
 * times a round, with synthetic prompts of that length and a forced completion.
 *
 * Requests longer than a model's context are shortened to fill it exactly (see `clip`); how many is said
 * in one warning per model. A trace is run once unless more repetitions are asked for.
 */
export function expandTrace(
  trace: Trace,
  models: readonly PlannedModel[],
  { seed = 1, pipeline, modelIdOf = ({ spec }) => spec }: ExpandOptions = {},
): WorkloadPlan {
  const warnings: Warning[] = [];
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

/**
 * The request itself where it fits the context, else one that fills it: prompt and completion shrink by
 * the same factor, so that their proportion, which decides what a request costs, stays; at least one
 * token of each remains.
 */
function clip(request: TraceRequest, contextLength: number): TraceRequest {
  const total = request.promptTokens + request.completionTokens;
  if (total <= contextLength) return request;
  const share = Math.round((request.promptTokens * contextLength) / total);
  const promptTokens = Math.min(Math.max(share, 1), contextLength - 1);
  return { ...request, promptTokens, completionTokens: contextLength - promptTokens };
}

function cellsOf(requests: readonly TraceRequest[], model: PlannedModel, seed: number): PlannedCell[] {
  const groups = new Map<string, TraceRequest[]>();
  for (const request of requests) {
    const id = `${model.id}/p${request.promptTokens}/c${request.completionTokens}`;
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
        sampling: { kind: 'greedy' },
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
