import type { Settings } from '../journal/entry.js';
import { expandSuite } from '../workload/expand.js';
import { expandPrompts } from '../workload/expand-prompts.js';
import { expandTrace } from '../workload/expand-trace.js';
import { namedPrompts } from '../workload/named-prompts.js';
import { loadPipeline, type Pipeline } from '../workload/pipelines/pipeline.js';
import type { ModelIdOf, PlannedModel, WorkloadPlan } from '../workload/plan.js';
import { type Suite, suiteOf } from '../workload/suite.js';
import { readTrace } from '../workload/trace.js';
import type { BenchOptions } from './options.js';

/**
 * The suite where none is named. A model of the user's own answers plain chat alone, as does a server, unless a
 * pipeline is asked for: the safety checks of `quick` would judge it by models that it has nothing to do with.
 */
export function defaultSuiteOf({
  models = [],
  pipeline,
  endpoint,
}: Pick<BenchOptions, 'models' | 'pipeline' | 'endpoint'>): string {
  const isOwn = models.length > 0 || endpoint !== undefined;
  return isOwn && pipeline === undefined ? 'plain' : 'quick';
}

/** A workload as it was read, before models are known. */
interface Workload {
  asked: Settings['workload'];
  suite: Suite | null;
  /** SHA-256 of the requests of a trace; null of anything else. */
  digest: string | null;
  /** All that its requests may go through. */
  pipelines: Pipeline[];
  expand(models: readonly PlannedModel[], modelIdOf: ModelIdOf): WorkloadPlan;
}

/** Throws what reading a suite, pipeline, trace or prompts throws. */
export async function readWorkload({
  suite: asked,
  trace: file,
  prompts: own,
  pipeline: pipelineName,
  models: wanted,
  seed,
  endpoint,
}: BenchOptions): Promise<Workload> {
  const named = asked ?? defaultSuiteOf({ models: wanted, pipeline: pipelineName, endpoint });
  const pipeline = pipelineName === undefined ? undefined : await loadPipeline(pipelineName);
  const instead = pipeline === undefined ? [] : [pipeline];
  if (own !== undefined) {
    const { path, limit, answerTokens } = own;
    const read = await namedPrompts(path, { limit, answerTokens });
    return {
      asked: { prompts: path, limit: limit ?? null, answerTokens: answerTokens ?? null },
      suite: null,
      digest: null,
      pipelines: instead,
      expand: (models, modelIdOf) => expandPrompts({ path, ...read }, models, { seed, pipeline, modelIdOf }),
    };
  }
  if (file === undefined) {
    const suite = await suiteOf(named);
    return {
      asked: { suite: typeof named === 'string' ? named : suite.name },
      suite,
      digest: null,
      pipelines: [...instead, ...(pipeline ? [] : suite.pipelines.values())],
      expand: (models, modelIdOf) => expandSuite(suite, models, { seed, pipeline, modelIdOf }),
    };
  }
  const { path, limit } = file;
  const trace = await readTrace(path, limit === undefined ? {} : { limit });
  return {
    asked: { trace: path, limit: limit ?? null },
    suite: null,
    digest: trace.digest,
    pipelines: instead,
    expand: (models, modelIdOf) => expandTrace(trace, models, { seed, pipeline, modelIdOf }),
  };
}
