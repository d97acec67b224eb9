/** The part of a result that is of a model: what it is, and what ran it. */
import { z } from 'zod';
import { costModelSchema } from '../cost.js';
import { namedRecord } from '../named-record.js';

const count = z.int().nonnegative();
const timeNs = z.int();

/** A GPU, or what stands in for one. */
export const adapterSchema = z.strictObject({
  name: z.string(),
  /** `software`: a CPU that acts as a GPU. */
  kind: z.enum(['discrete', 'integrated', 'virtual', 'software', 'unknown']),
  /** Its own memory, or for an integrated GPU the part of the machine's that it takes. */
  memoryBytes: count.nullable(),
  /** The largest size of one tensor, where the interface limits it. */
  largestBufferBytes: count.nullable(),
  driver: z.string().nullable(),
});
export type Adapter = z.infer<typeof adapterSchema>;

const engineSchema = z.looseObject({
  name: z.string(),
  /**
   * `native`: ONNX Runtime's C API with zero-copy KV buffers, or llama.cpp's; `node`: the Node binding; `server`: a
   * server over HTTP, whose device and threads are its own.
   */
  backend: z.enum(['native', 'node', 'server']),
  /** Why this back end and no other, in words. */
  backendReason: z.string(),
  device: z.string(),
  threads: count,
  sharedSession: z.boolean(),
  version: z.string(),
  /** Whether numbers below the normal range were computed with, or taken as zero. */
  subnormals: z.enum(['kept', 'flushed']).optional(),
  /** Why this device and no other, in words. */
  deviceReason: z.string().optional(),
  /** The GPU, of those that the provider sees the one it takes; absent on the CPU. */
  adapter: adapterSchema.nullable().optional(),
});
export type EngineRecord = z.infer<typeof engineSchema>;

/** Nodes of the graph, as optimised, by where they ran. */
const placementSchema = z.strictObject({
  device: count,
  cpu: count,
  /** Those on the CPU, by op. */
  cpuOps: namedRecord(count),
});
export type Placement = z.infer<typeof placementSchema>;

/** The distance of a GPU's logits from the CPU's, on the same tokens. */
export const deviceParitySchema = z.strictObject({
  /** The variant of the graph that was compared. */
  graphVariant: z.string(),
  /** Root mean square of the difference ÷ that of the CPU's, in the worst step; null: not compared, or no numbers. */
  difference: z.number().nullable(),
  tolerance: z.number(),
  /** The step that differed most, in words. */
  worst: z.string().nullable(),
  /** Null where there was nothing to compare with. */
  passed: z.boolean().nullable(),
});
export type DeviceParity = z.infer<typeof deviceParitySchema>;

/** The cost of a model being new to a GPU, beyond loading: taken from warm-up passes over every shape of request. */
export const coldStartSchema = z.strictObject({
  /** Time by which the first pass was longer than the last: shaders were compiled in it. */
  shadersNs: z.number().nonnegative(),
  passes: count,
  /** Whether the last two passes took about as long. */
  settled: z.boolean(),
});
export type ColdStart = z.infer<typeof coldStartSchema>;

export const modelRecordSchema = z.looseObject({
  id: z.string(),
  /** `server`: a server holds it, and shows no more of it than it tells; null below is what it does not. */
  source: z.enum(['synthesised', 'folder', 'hub', 'server']),
  sha256: z.string().nullable(),
  parameters: count.nullable(),
  dtype: z.string().nullable(),
  graphVariant: z.string().nullable(),
  contextLength: count.nullable(),
  engine: engineSchema,
  /** Null where nothing says what shape the model has. */
  cost: costModelSchema.nullable(),
  /** Reading the model and creating the session, before any request. */
  loadNs: timeNs.nullable(),
  /** Recorded of runs on a GPU. */
  placement: placementSchema.optional(),
  /** Layers that llama.cpp put on the GPU, the output head among them; its embedding table stays on the CPU. */
  offloadedLayers: z.strictObject({ device: count, all: count }).optional(),
  /** Recorded of runs on a GPU: the graph that ran comes last, those that differed too much before it. */
  deviceParity: z.array(deviceParitySchema).optional(),
  /** Recorded of runs on a GPU. */
  coldStart: coldStartSchema.optional(),
  /**
   * Requests that were run first and discarded: of a model of cells its own, of any other those in which it
   * ran, with the time of the stages that it ran in.
   */
  warmup: z.strictObject({ requests: count, durationNs: timeNs }),
  /** The roles it played in the run: `chat` (the model of cells), or those of pipelines such as `classifier`. */
  roles: z.array(z.string()).optional(),
});
export type ModelRecord = z.infer<typeof modelRecordSchema>;
