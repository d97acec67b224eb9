import type { ErrorCode } from '../../core/codes.js';
import type { CostModel } from '../../core/cost.js';
import type { EngineRecord } from '../../core/records/model.js';
import type { Nanoseconds } from '../../core/units.js';
import type { Device } from '../../engines/engine.js';
import type { DecoderSource, EncoderSource } from '../../engines/open.js';
import type { MeasuredRow } from '../../journal/entry.js';
import type { MeasuredRun, Preparation } from '../../journal/measured-run.js';
import type { Absence } from '../../sensors/absence.js';
import type { RequestSpec } from '../../stages/request-spec.js';

/** The messages between the coordinating thread and a worker; all of them survive structured cloning. */

interface AnyWorkerModel {
  id: string;
  cost: CostModel;
  backend: 'native' | 'node';
  device: Device;
  threads: number;
  /** The coordinator's session, to be shared; null where the worker opens one of its own. */
  sharedHandle: bigint | null;
  /** The folder of its tokenizer; null where the model's own file holds it. */
  tokenizerDirectory: string | null;
}

export interface WorkerDecoder extends AnyWorkerModel {
  kind: 'decoder';
  source: DecoderSource;
  costOfAllLogits: CostModel;
  eosTokenIds: number[];
  /** Whether a prompt of the plan is text, or a stage reads it as text. */
  needsTokenizer: boolean;
}

export interface WorkerEncoder extends AnyWorkerModel {
  kind: 'classification' | 'embedding';
  source: EncoderSource;
}

/** A model as a worker opens it. */
export type WorkerModel = WorkerDecoder | WorkerEncoder;

export interface LoadTask {
  models: readonly WorkerModel[];
  /** Origin of the run's clock. */
  originNs: bigint;
  /** Whether no other request ever runs beside this worker's. */
  alone: boolean;
  /** Shared memory of `controlFields`. */
  control: Int32Array<SharedArrayBuffer>;
}

/** Fields of a worker's control memory. */
export const controlFields = {
  stopRequested: 0,
  stepsDone: 1,
  /** Times that the request at hand has run. */
  runsDone: 2,
  /** Whether the counters have moved often enough since it first ended. */
  countersMoved: 3,
  count: 4,
} as const;

/** The method by which a sensor reads, or why it does not. */
export type SensorState = { method: string } | Absence;

interface LoadedModelState {
  id: string;
  record: EngineRecord;
  loadNs: Nanoseconds;
  terminationHandle: bigint | null;
  cpuTime: SensorState;
}

export interface LoadedWorker {
  models: LoadedModelState[];
  peakMemory: SensorState;
  /** Whether peak memory takes requests of its own, after those that are measured. */
  memoryApart?: boolean;
}

/** An error with its fields: those are lost when an Error crosses threads. */
export interface ThreadError {
  code: ErrorCode;
  message: string;
  hint: string;
}

export type LoadReply = { loaded: LoadedWorker } | { error: ThreadError };

export interface RunTask {
  modelId: string;
  request: RequestSpec;
  submittedNs: Nanoseconds;
  /** From the beginning of each time that it runs. */
  deadlineMs: number | null;
  /** Time that all runs should take together, so that counters move enough; null for once. */
  repeatForNs: Nanoseconds | null;
  /** Runs for its peak memory alone, where that takes a request of its own. */
  forMemory: boolean;
}

/** The answer to a task, and what a slot makes of a worker that gave none. */
export interface RunReply {
  /** All but `runs` is of the first time that the request ran. */
  row: MeasuredRow;
  /** Every time that it finished, the first among them. */
  runs: MeasuredRun[];
  /**
   * Where the worker had to make what the request was to find there, before each time: it counts as submitted
   * from the end of the first on, else from being sent.
   */
  preparations: Preparation[];
}
