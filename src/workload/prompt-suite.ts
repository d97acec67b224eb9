import { tracedKind } from '../core/result.js';
import type { Dtype } from '../models/dtype.js';
import type { NamedPrompt } from './named-prompts.js';
import type { Pipeline } from './pipelines/pipeline.js';
import type { Prompt } from './prompts.js';
import type { Suite } from './suite.js';

/** Prompt and completion tokens of the request that plain tokens are measured by. */
export const referenceTokens = 128;

/**
 * A suite of a cell per prompt, each through the pipeline, and the reference request through plain chat, which says what
 * a plain token costs in the same run.
 */
export function promptSuite({
  prompts,
  pipeline,
  model,
  dtype,
  repetitions,
}: {
  prompts: readonly NamedPrompt[];
  pipeline: Pipeline;
  model: string;
  dtype: Dtype | undefined;
  repetitions: number;
}): Suite {
  const block = { batch: [1], policies: {}, draws: 1 };
  const named = prompts.map(({ answerTokens: _, arrivalNs: __, ...prompt }): [string, Prompt] => [
    prompt.name,
    { ...prompt, kind: tracedKind, language: 'und', difficulty: 1 },
  ]);
  return {
    name: 'trace',
    description: `${prompts.length === 1 ? 'One prompt' : `${prompts.length} prompts`} through ${pipeline.name}, beside the reference request.`,
    models: [{ model, ...(dtype && { dtype }) }],
    design: [
      { ...block, promptTokens: [referenceTokens], completionTokens: [referenceTokens] },
      ...prompts.map(({ name, answerTokens }) => ({
        ...block,
        prompts: [name],
        completionTokens: [answerTokens],
        pipelines: [pipeline.name],
      })),
    ],
    repetitions,
    concurrency: 1,
    seed: 1,
    stop: 'forced',
    sampling: { kind: 'greedy' },
    questions: [],
    prompts: new Map(named),
    pipelines: new Map([[pipeline.name, pipeline]]),
  };
}
