/**
 * workload/ says which requests are run, in which order, arriving when. A suite (data) or a trace (a
 * recording) is expanded over the run's models into a plan of cells; the schedule orders their requests.
 * Nothing here runs anything.
 */

import type { Warning } from '../core/codes.js';
import type { Question } from '../core/question.js';
import type { Cell } from '../core/result.js';
import type { RequestPipeline } from '../stages/pipeline.js';
import type { RoleModel } from './pipeline.js';
import type { ModelKind } from './pipeline-models.js';

/** Token ids drawn by seed, or a text to be tokenized by the model's own tokenizer. */
export type PromptSpec =
  | { kind: 'synthetic'; tokens: number; seed: number }
  | { kind: 'text'; text: string; name: string };

export type SamplingSpec =
  | { kind: 'greedy' }
  | { kind: 'seeded'; temperature: number; topK?: number | undefined; seed: number };

/** `forced`: end-of-text is ignored and exactly `completionTokens` are generated; `eos`: it stops. */
type StopRule = 'forced' | 'eos';

/** One request as a worker runs it. Lengths are per row; `batch` rows run side by side. */
export interface RequestSpec {
  prompt: PromptSpec;
  completionTokens: number;
  batch: number;
  stop: StopRule;
  sampling: SamplingSpec;
  /** Whether every row of a batch has the same synthetic prompt, or one of its own; `same` where absent. */
  neighbours?: 'same' | 'different' | undefined;
  /** Plain chat where absent. */
  pipeline?: RequestPipeline | undefined;
}

/** A point of the design with the request that stands for it; all its requests are alike. */
export interface PlannedCell extends Cell {
  request: RequestSpec;
  /** Requests per repetition round: 1 in a suite, the number of equal requests in a trace. */
  count: number;
  /**
   * When each of the `count` requests arrived, in ns from the trace's first; `null` where no arrival
   * is known. Kept as data: the schedule is closed-loop for now and ignores it.
   */
  arrivalsNs: readonly (number | null)[] | null;
}

export interface WorkloadPlan {
  suite: string;
  seed: number;
  /** Repetition rounds and requests in flight where the user names none. */
  repetitions: number;
  concurrency: number;
  cells: PlannedCell[];
  questions: Question[];
  warnings: Warning[];
}

/**
 * What expansion needs to know of a resolved model. `spec` is what was asked for (a recipe id, a folder,
 * `hf:REPO`); `id` is what cells and the result call it (see `modelIds`).
 */
export interface PlannedModel {
  spec: string;
  id: string;
  contextLength: number;
}

/** What a run calls a model that pipelines have a role for. */
export type ModelIdOf = (model: RoleModel & { kind: ModelKind }) => string;
