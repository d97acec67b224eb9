/**
 * workload/ says which requests are run, and in which order. A suite (data) or a trace (a
 * recording) is expanded over the run's models into a plan of cells; the schedule orders their requests.
 * Nothing here runs anything.
 */
import { z } from 'zod';
import type { Warning } from '../core/codes.js';
import type { Question } from '../core/question.js';
import { resultSchema } from '../core/result.js';
import type { Nanoseconds } from '../core/units.js';
import { requestSpecSchema } from '../stages/request-spec.js';
import type { NamedPrompt } from './named-prompts.js';
import type { ModelKind, RoleModel } from './pipelines/roles.js';
import type { TraceBlocks } from './traces/format.js';

/** A point of the design with the request that stands for it; all its requests are alike. */
export const plannedCellSchema = resultSchema.shape.cells.element.extend({
  request: requestSpecSchema,
  /** Requests per repetition round: 1 in a suite, the number of equal requests in a trace. */
  count: z.int().positive(),
});
export type PlannedCell = z.infer<typeof plannedCellSchema>;

/** A request of a trace, or of prompts that have times, in its place among the others. */
export interface TimelineEntry {
  /** The cell's id. */
  cell: string;
  /** From the first request on; null where the trace tells no times. */
  arrivalNs: Nanoseconds | null;
  /**
   * Of its own prompt, which is as long as its cell's: of prompts that are alike, all but the first would be in a server's
   * cache. The prompt is the cell's where that is a text.
   */
  seed: number;
  /** What its prompt begins with, drawn by `blockSeed`. */
  blocks: TraceBlocks | null;
  blockSeed: number;
}

export interface WorkloadPlan {
  suite: string;
  seed: number;
  /** Repetition rounds and requests in flight where the user names none. */
  repetitions: number;
  concurrency: number;
  /** Seconds that the run may take where the user names none; all cells are run where absent. */
  budgetSeconds?: number | undefined;
  cells: PlannedCell[];
  /** The requests of one round in their own order; absent where a workload has none. */
  timeline?: readonly TimelineEntry[] | undefined;
  questions: Question[];
  warnings: Warning[];
}

/**
 * The properties of a resolved model that expansion needs. `spec` is what was asked for (a recipe id, a folder,
 * `hf:REPO`); `id` is what cells and the result call it (see `modelIds`).
 */
export interface PlannedModel {
  spec: string;
  id: string;
  contextLength: number;
  /** Tokens of a prompt; absent where only the engine can tell. */
  countTokens?: ((prompt: Pick<NamedPrompt, 'text' | 'messages'>) => number) | undefined;
}

/** Names a model that pipelines have a role for as the run does. */
export type ModelIdOf = (model: RoleModel & { kind: ModelKind }) => string;
