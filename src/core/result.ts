/**
 * The result file: the one contract between measuring and explaining.
 *
 * Bump rule: adding an optional field or a metric keeps `schemaVersion`; renaming, removing, retyping or changing
 * the meaning of a field raises it by one, and a migration from the version before is added to
 * `migrations` in the same change. Old results in `results/` must still open (tested).
 *
 * Times are integer nanoseconds from the run's start on the monotonic clock; only `startedAt` is wall
 * time. `null` means absent, and the reason stands in the row's `absent` or in the metric's `reason`.
 */
import { z } from 'zod';
import { namedRecord } from './named-record.js';
import { factorValue, questionSchema } from './question.js';
import { arrivalsRecordSchema, clientRecordSchema } from './records/arrivals.js';
import { modelRecordSchema } from './records/model.js';
import {
  attributionErrorSchema,
  idleBaselineSchema,
  recordingSchema,
  regressionSchema,
  samplerCostSchema,
} from './records/sampling.js';
import { servedSchema, serverRecordSchema } from './records/server.js';
import { absenceReason, metricSchema, workSchema } from './work.js';

export const schemaVersion = 4;

const count = z.int().nonnegative();
const timeNs = z.int();
const quantity = (unit: string) =>
  z.strictObject({ value: z.number().positive(), unit: z.literal(unit), method: z.string() });

export const warningSchema = z.strictObject({ code: z.string(), message: z.string(), hint: z.string() });
/** A warning of a result or a journal, whose code another version may have raised; `codes.ts` has this one's. */
export type RecordedWarning = z.infer<typeof warningSchema>;

const sensorSchema = z.looseObject({
  name: z.string(),
  available: z.boolean(),
  reason: absenceReason.nullable(),
  hint: z.string().nullable(),
  periodNs: z.number().nullable(),
});

/**
 * Settings that change figures without being an option of the run; absent in results from before it was recorded. Whether
 * subnormal numbers were flushed is in each model's `engine.subnormals`.
 */
const settingsSchema = z.strictObject({
  /** Variables that the runtime, the C library or a driver reads; paths, hosts and users are left out of them. */
  variables: namedRecord(z.string()),
  /** `always`, `madvise` or `never`; null where the kernel does not say. */
  transparentHugePages: z.string().nullable(),
  /** Whether the kernel gave huge pages where they were asked for, as for KV caches; null where that is not known. */
  hugePagesGranted: z.boolean().nullable(),
  /** Each once; null where the kernel shows none. */
  cpuGovernors: z.array(z.string()).nullable(),
  /** Whether cores may run above their nominal frequency; null where that cannot be read. */
  turbo: z.boolean().nullable(),
});

export const ceilingsSchema = z.strictObject({
  /** Streaming read bandwidth of the device, or of the CPU with as many threads as the run keeps busy. */
  memoryBandwidth: quantity('B/s').nullable(),
  /** GEMM rate per dtype, with as many threads as the run keeps busy. */
  gemm: namedRecord(quantity('FLOP/s')),
  threads: count,
  /** The device that was measured; absent: the CPU. */
  device: z.string().optional(),
  /** Cores that other processes kept busy while it was measured, where they were enough to lower the figures. */
  othersCores: z.number().positive().optional(),
  /** Cores that a CPU quota withheld meanwhile, where they were enough to lower the figures. */
  withheldCores: z.number().positive().optional(),
  /** How often the processor began to slow down for heat meanwhile. */
  thermalThrottles: z.int().positive().optional(),
});
export type Ceilings = z.infer<typeof ceilingsSchema>;

export const hardwareSchema = z.looseObject({
  id: z.string(),
  cpu: z.looseObject({
    brand: z.string(),
    /** Null below, as of a machine that a result was imported from: nothing tells it. */
    physicalCores: count.nullable(),
    logicalCores: count.nullable(),
  }),
  memoryBytes: count.nullable(),
  gpus: z.array(z.looseObject({ model: z.string() })),
  ceilings: ceilingsSchema.nullable(),
});
export type Hardware = z.infer<typeof hardwareSchema>;

const factorsSchema = namedRecord(factorValue);
const cellSchema = z.strictObject({
  id: z.string(),
  model: z.string(),
  factors: factorsSchema,
});
export type Cell = z.infer<typeof cellSchema>;

/** The `promptKind` of cells that `tokenwork trace` follows, by which its results are known. */
export const tracedKind = 'traced';

const tokensSchema = z.strictObject({
  prompt: count,
  completion: count,
  /** ⊂ prompt. */
  cached: count,
  /** ⊂ completion. */
  reasoning: count,
  /** processed − billed. */
  hidden: z.int(),
  /** Every position any model evaluated for the request. */
  processed: count,
});
export type Tokens = z.infer<typeof tokensSchema>;

/** The kinds of stages, as the rows of the stage table name them; a pipeline may have several of one. */
const stageTypes = [
  'tokenization',
  'safety',
  'retrieval',
  'cache',
  'prefill',
  'reasoning',
  'decode',
  'speculation',
  'detokenization',
] as const;
export type StageType = (typeof stageTypes)[number];

const stageSchema = z.strictObject({
  name: z.string(),
  /** Absent in results from before there were pipelines, whose names are types. */
  type: z.enum(stageTypes).optional(),
  /** Whether the stage's work moves a field of `usage`. */
  visible: z.boolean(),
  /** Positions that a model evaluated in this stage. */
  tokens: count,
  /** The part of `prompt` + `completion` that is billed for this stage. */
  billed: count,
  /** The part of `billed` that was read from a cache and evaluated by no model. */
  cached: count.optional(),
  /** The model that ran, where it is not the cell's own; `null` where none ran. */
  model: z.string().nullable().optional(),
  times: z.strictObject({ started: timeNs, ended: timeNs }),
  work: workSchema.partial(),
  /** Why a `null` in `work` is null, by metric. */
  absent: namedRecord(absenceReason).optional(),
  /** Further facts about it: `flagged`, `hits`, `drafted`, `accepted`, `distinctExperts` … */
  detail: namedRecord(z.union([z.number(), z.string(), z.boolean()])).optional(),
});
export type Stage = z.infer<typeof stageSchema>;

const requestTimesSchema = z.strictObject({
  submitted: timeNs,
  started: timeNs,
  firstToken: timeNs.nullable(),
  lastToken: timeNs.nullable(),
});

const requestBase = {
  id: count,
  cell: z.string(),
  repetition: count,
  worker: count,
};

export const okRequestSchema = z.strictObject({
  ...requestBase,
  outcome: z.strictObject({ status: z.literal('ok') }),
  tokens: tokensSchema,
  times: z.strictObject({
    submitted: timeNs,
    started: timeNs,
    /** The first that the user is shown: hidden reasoning comes before it. */
    firstToken: timeNs,
    lastToken: timeNs,
    /** End of the last stage, where stages come after the last token; the end of E2E latency then. */
    ended: timeNs.optional(),
  }),
  /** HdrHistogram of the gaps between tokens in ns, compressed base64; null below two tokens. */
  interTokenLatency: z.string().nullable(),
  work: workSchema,
  /** Why a `null` in `work` is null, by metric, where the metric's own reason does not say. */
  absent: namedRecord(absenceReason).optional(),
  /**
   * How often the request ran one after the other, where that was more than once: `energy` and `gpuTime`
   * are its share of all that was used meanwhile; everything else is of its first time.
   */
  runsInWindow: z.int().positive().optional(),
  /** ns that its threads were ready to run and waited for a core, in its first run; Linux only. */
  runQueueWait: timeNs.nonnegative().optional(),
  stages: z.array(stageSchema),
  /** Of a request to a server. */
  served: servedSchema.optional(),
  /** 95% intervals of attributed work, by metric. */
  intervals: namedRecord(z.tuple([z.number(), z.number()])).optional(),
});
/** The row of a request that came to its end. */
export type OkRequest = z.infer<typeof okRequestSchema>;

export const failedRequestSchema = z.strictObject({
  ...requestBase,
  outcome: z.strictObject({ status: z.literal('failed'), code: z.string(), message: z.string() }),
  tokens: tokensSchema.nullable(),
  times: requestTimesSchema.nullable(),
  work: workSchema.partial().optional(),
  /** Of a request to a server. */
  served: servedSchema.optional(),
});
/** The row of a request that failed, with the reason. */
export type FailedRequest = z.infer<typeof failedRequestSchema>;

export const requestSchema = z.union([okRequestSchema, failedRequestSchema]);
/** The row of a request. */
export type RequestRow = z.infer<typeof requestSchema>;

const conservationSchema = z.strictObject({
  total: z.number(),
  requests: z.number(),
  idle: z.number(),
  unattributed: z.number(),
  unit: z.string(),
});
export type Conservation = z.infer<typeof conservationSchema>;

/**
 * The readings of one channel of a sensor over the run, for people to look at: a counter as its mean rate between
 * two times (J as W, ns as busy share), a gauge as it was. Figures are drawn from all samples, not these.
 */
const timelineSchema = z.strictObject({
  sensor: z.string(),
  /** `package-0`, `gpu-1`, `process`, `system` … */
  device: z.string(),
  quantity: z.string(),
  unit: z.string(),
  timesNs: z.array(timeNs),
  /** `null` marks a gap. */
  values: z.array(z.number().nullable()),
  /** Samples taken; more than `values` where they were thinned. */
  samples: count,
});
export type Timeline = z.infer<typeof timelineSchema>;

const runSchema = z.looseObject({
  id: z.string(),
  suite: z.string(),
  seed: z.int(),
  startedAt: z.iso.datetime(),
  durationNs: timeNs,
  command: z.string(),
  complete: z.boolean(),
  warmupRequests: count,
  concurrency: count,
  repetitions: count,
  /** Requests the plan holds; fewer rows than this means the run was cut short. */
  plannedRequests: count,
  /** The questions that the suite was made to answer. */
  questions: z.array(questionSchema).optional(),
  /** `fixed`: the cells are given and only noise is random; `sampled`: the requests are themselves a sample. */
  design: z.enum(['fixed', 'sampled']).optional(),
  /** Of requests to servers: when they were sent, once for each step of a sweep and each time that the run went on. */
  arrivals: z.array(arrivalsRecordSchema).optional(),
  /** The client's own load meanwhile. */
  client: z.array(clientRecordSchema).optional(),
});

export const resultSchema = z.strictObject({
  schemaVersion: z.literal(schemaVersion),
  tool: z.strictObject({ name: z.literal('tokenwork'), version: z.string(), commit: z.string().nullable() }),
  run: runSchema,
  hardware: hardwareSchema,
  environment: z.looseObject({
    node: z.string(),
    os: z.string(),
    packages: namedRecord(z.string()),
    sensors: z.array(sensorSchema),
    settings: settingsSchema.optional(),
    sampler: samplerCostSchema.optional(),
    /** Set where a recording was sampled in place of this machine: energy, GPU time and the time line are of another. */
    recording: recordingSchema.optional(),
    /** The servers that requests went to; the hardware is the client's, and theirs where they say so. */
    servers: z.array(serverRecordSchema).optional(),
  }),
  models: z.array(modelRecordSchema),
  metrics: namedRecord(metricSchema),
  cells: z.array(cellSchema),
  requests: z.array(requestSchema),
  /** By `cpuTime`, and `energy/DEVICE`, `gpuTime/DEVICE` for each device that was sampled. */
  conservation: namedRecord(conservationSchema),
  /** By `energy/DEVICE`, as in `conservation`. */
  idleBaseline: namedRecord(idleBaselineSchema).optional(),
  attributionErrors: z.array(attributionErrorSchema).optional(),
  /** Of counters of a server that were shared among concurrent requests. */
  regressions: z.array(regressionSchema).optional(),
  timeline: z.array(timelineSchema).optional(),
  warnings: z.array(warningSchema),
});
/** A result file: requests with their work, and the machine and models that they ran on; results/schema.json defines it. */
export type Result = z.infer<typeof resultSchema>;

/**
 * Whether a request succeeded, narrowing to its full row.
 *
 * @example
 * ```js
 * for (const request of result.requests) {
 *   if (isOk(request)) console.log(request.tokens.completion, request.work.cpuTime);
 *   else console.log(request.outcome.code, request.outcome.message);
 * }
 * ```
 */
export function isOk(request: RequestRow): request is OkRequest {
  return request.outcome.status === 'ok';
}
