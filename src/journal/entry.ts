import { z } from 'zod';
import { namedRecord } from '../core/named-record.js';
import { questionSchema } from '../core/question.js';
import { arrivalsRecordSchema, clientRecordSchema, loopSchema } from '../core/records/arrivals.js';
import { coldStartSchema, modelRecordSchema } from '../core/records/model.js';
import {
  ceilingsSchema,
  failedRequestSchema,
  okRequestSchema,
  resultSchema,
  warningSchema,
} from '../core/result.js';
import { metricSchema } from '../core/work.js';
import { devices, engineNames } from '../engines/engine.js';
import { benchOptions as options, runOptionsSchema } from '../workload/options/bench-options.js';
import { plannedCellSchema } from '../workload/plan.js';
import { measuredRunSchema, preparationSchema } from './measured-run.js';
import { samplingEntries } from './samples.js';

/** The part of the settings that every run has. */
const anySettings = {
  workload: z.union([
    z.strictObject({ suite: options.suite.value }),
    z.strictObject({ trace: options.trace.value, limit: options.limit.value.nullable() }),
    z.strictObject({
      prompts: options.prompts.value,
      limit: options.limit.value.nullable(),
      answerTokens: options.answerTokens.value.nullable(),
    }),
  ]),
  concurrency: options.concurrency.value,
  repetitions: options.repetitions.value,
  seed: options.seed.value,
  warmup: options.warmup.value,
  deadlineMs: options.deadline.value.nullable(),
  sampling: z.strictObject({
    /** `auto`, `none`, `recorded:FILE`, or `custom` for sensors that were given by name. */
    sensors: z.string(),
    energy: options.energy.value,
    validate: options.validateAttribution.value,
  }),
};

const localSettingsSchema = z.strictObject({
  ...anySettings,
  models: z.array(
    z.strictObject({
      id: z.string(),
      spec: z.string(),
      dtype: options.dtype.value.nullable(),
      /** The graph variant, where the device decided on it. */
      graphVariant: z.string().optional(),
      /** A decoder that answers, where absent. */
      kind: z.enum(['decoder', 'classification', 'embedding']).optional(),
      roles: z.array(z.string()).optional(),
    }),
  ),
  pipeline: options.pipeline.value.nullable().optional(),
  /** The device that was asked for, or that `auto` decided on. */
  device: z.enum(devices),
  /** The engine of recipes; ONNX Runtime where absent. */
  engine: z.enum(engineNames).optional(),
  backend: options.backend.value,
  threads: options.threads.value,
  /** Seconds by which cells were chosen; in journals from before there were budgets, absent. */
  budget: options.budget.value.optional(),
});
/** Settings of a run in this process. */
export type LocalSettings = z.infer<typeof localSettingsSchema>;

const servedSettingsSchema = z.strictObject({
  ...anySettings,
  endpoint: options.endpoint.value,
  /** SHA-256 of the requests of a trace, whose order is read again where the run goes on. */
  traceDigest: z.string().nullable(),
  /** The served models, by endpoint. */
  models: z.array(z.strictObject({ id: z.string(), spec: z.string() })),
  api: options.api.value,
  /** The variable that holds the key. */
  apiKeyEnv: options.apiKeyEnv.value.nullable(),
  /** Names of further headers, whose values are written nowhere. */
  headers: z.array(z.string()),
  shape: options.shape.value.nullable(),
  dtype: options.dtype.value.nullable(),
  metricsUrl: options.metricsUrl.value,
  retries: options.retries.value,
  /** When requests are sent, as it was asked for and as it was understood. */
  arrivals: options.arrivals.value.nullable(),
  rate: options.rate.value.nullable(),
  speed: options.speed.value.nullable(),
  maxInFlight: options.maxInFlight.value,
  catchUp: options.catchUp.value,
  loop: loopSchema,
});
/** Settings of a run whose requests go to a server. */
export type ServedSettings = z.infer<typeof servedSettingsSchema>;

/** The options of a run as they were decided, which resuming it must repeat. */
const settingsSchema = z.union([localSettingsSchema, servedSettingsSchema]);
export type Settings = z.infer<typeof settingsSchema>;

export const journalVersion = 2;

/** What a run was asked to do, before it has a header: one that is killed meanwhile begins again with it. */
const begunSchema = z.strictObject({
  kind: z.literal('begun'),
  version: z.literal(journalVersion),
  command: z.string(),
  options: runOptionsSchema,
});
export type JournalBeginning = z.infer<typeof begunSchema>;

/** Everything there is to know before the first request: a result is folded, and a run resumed, by it. */
const headerSchema = z.strictObject({
  kind: z.literal('header'),
  version: z.literal(journalVersion),
  id: z.string(),
  suite: z.string(),
  startedAt: z.iso.datetime(),
  command: z.string(),
  settings: settingsSchema,
  tool: resultSchema.shape.tool,
  hardware: resultSchema.shape.hardware,
  environment: resultSchema.shape.environment,
  models: z.array(modelRecordSchema.omit({ warmup: true })),
  metrics: namedRecord(metricSchema),
  cells: z.array(plannedCellSchema),
  /** Whether peak memory is measured of requests of its own, once all others have run; it is in their rows else. */
  memoryApart: z.boolean().optional(),
  questions: z.array(questionSchema).optional(),
  warnings: z.array(warningSchema),
});
export type JournalHeader = z.infer<typeof headerSchema>;
/** The header of a run in this process. */
export type LocalHeader = JournalHeader & { settings: LocalSettings };
/** The header of a run whose requests go to a server. */
export type ServedHeader = JournalHeader & { settings: ServedSettings };
/** A model's record, but for its warm-up, which is yet to come. */
export type JournalModel = JournalHeader['models'][number];

/**
 * A request's row as it is journalled: gaps between tokens raw. They become a histogram in the result,
 * which takes longer to encode than a small model takes to run, and so is left until nothing is measured.
 */
const rowSchema = z.union([
  okRequestSchema.omit({ interTokenLatency: true }).extend({ tokenGapsNs: z.array(z.int()) }),
  failedRequestSchema,
]);
export type JournalRow = z.infer<typeof rowSchema>;
/** A row as its worker measured it, to which the schedule adds whose it is. */
export type MeasuredRow = WithoutIdentity<JournalRow>;
type WithoutIdentity<Row> = Row extends unknown ? Omit<Row, 'id' | 'cell' | 'repetition' | 'worker'> : never;
export type OkJournalRow = Extract<JournalRow, { tokenGapsNs: number[] }>;

export const entrySchema = z.discriminatedUnion('kind', [
  begunSchema,
  headerSchema,
  /** A process took the run up again. */
  z.strictObject({ kind: z.literal('resumed'), at: z.iso.datetime(), warnings: z.array(warningSchema) }),
  z.strictObject({
    kind: z.literal('warmup'),
    model: z.string(),
    requests: z.int().nonnegative(),
    durationNs: z.number().nonnegative(),
    /** Other models that ran in them: in how many, and how long the stages took in which they did. */
    alongside: namedRecord(
      z.strictObject({ requests: z.int().positive(), durationNs: z.number().nonnegative() }),
    ).optional(),
    /** On a GPU. */
    coldStart: coldStartSchema.optional(),
  }),
  /** Requests were sent to servers: all of them, or those of a step of a sweep, or of what was left. */
  z.strictObject({
    kind: z.literal('sent'),
    arrivals: arrivalsRecordSchema,
    client: clientRecordSchema,
    warnings: z.array(warningSchema),
  }),
  /** A worker was given the request. */
  z.strictObject({ kind: z.literal('started'), id: z.int() }),
  z.strictObject({
    kind: z.literal('request'),
    row: rowSchema,
    /** CPU time of the process since this segment of measuring began. */
    processCpuNs: z.number(),
    /** When its worker was free again. */
    endedNs: z.number().optional(),
    /** All its runs, where it ran several times in a row; the row is of the first. */
    runs: z.array(measuredRunSchema).min(2).optional(),
    /** Work done before it, or before each time. */
    preparations: z.array(preparationSchema).optional(),
  }),
  ...samplingEntries,
  /** A request of the cell is run for its peak memory alone, in bytes; without them it begins, null where it failed. */
  z.strictObject({
    kind: z.literal('memory'),
    cell: z.string(),
    peakBytes: z.number().nonnegative().nullable().optional(),
  }),
  /** The machine, looked at once more after the requests. */
  z.strictObject({ kind: z.literal('ceilings'), ceilings: ceilingsSchema }),
  /** Measuring ended in good order; what was started and has no row was stopped, and did not crash. */
  z.strictObject({ kind: z.literal('ended'), atNs: z.number(), processCpuNs: z.number() }),
]);
export type JournalEntry = z.infer<typeof entrySchema>;
