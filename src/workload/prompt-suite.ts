import type { Dtype } from '../models/dtype.js';
import type { Pipeline } from './pipelines/pipeline.js';
import type { Suite } from './suite.js';

/** The name of the prompt that `tokenwork trace` shows. */
export const tracedPrompt = 'prompt';

/** Prompt and completion tokens of the request that plain tokens are measured by. */
const referenceTokens = 128;

/**
 * A suite of two cells: one prompt through a pipeline, and the reference request through plain chat, which
 * says what a plain token costs in the same run.
 */
export function promptSuite({
  text,
  pipeline,
  model,
  dtype,
  completionTokens,
  repetitions,
}: {
  text: string;
  pipeline: Pipeline;
  model: string;
  dtype: Dtype | undefined;
  completionTokens: number;
  repetitions: number;
}): Suite {
  const block = { batch: [1], policies: {}, draws: 1 };
  const prompt = { name: tracedPrompt, kind: 'traced', language: 'und', difficulty: 1, text };
  return {
    name: 'trace',
    description: `One prompt through ${pipeline.name}, beside the reference request.`,
    models: [{ model, ...(dtype && { dtype }) }],
    design: [
      { ...block, promptTokens: [referenceTokens], completionTokens: [referenceTokens] },
      {
        ...block,
        prompts: [tracedPrompt],
        completionTokens: [completionTokens],
        pipelines: [pipeline.name],
      },
    ],
    repetitions,
    concurrency: 1,
    seed: 1,
    stop: 'forced',
    sampling: { kind: 'greedy' },
    questions: [],
    prompts: new Map([[tracedPrompt, prompt]]),
    pipelines: new Map([[pipeline.name, pipeline]]),
  };
}
