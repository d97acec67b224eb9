import { z } from 'zod';

/** How a metric's figures came to be; never mixed in one column. */
const provenance = z.enum(['measured', 'attributed', 'derived', 'estimated', 'unavailable']);

/** Why a figure is absent; `lost`: its sensor failed or left a gap in that stretch. */
export const absenceReason = z.enum(['unsupported', 'permission', 'too-short', 'not-applicable', 'lost']);
export type AbsenceReason = z.infer<typeof absenceReason>;

export const metricSchema = z.strictObject({
  unit: z.string(),
  direction: z.enum(['lower', 'higher']),
  provenance,
  method: z.string(),
  /** Set where the whole metric is unavailable in this run. */
  reason: absenceReason.nullable().default(null),
  hint: z.string().nullable().default(null),
});
export type Metric = z.infer<typeof metricSchema>;

const amount = z.number().nonnegative().nullable();

/** What a request (or a stage of it) cost, in base units; `null` where it was not measured. */
export const workSchema = z.strictObject({
  /** ns; scheduler run time of every thread that worked for the request. */
  cpuTime: amount,
  /** ns; device busy time. */
  gpuTime: amount,
  /** J. */
  energy: amount,
  /** bytes above the resting level, exclusive runs only. */
  peakMemory: amount,
  /** bytes of KV cache the request held at its end. */
  kvBytes: amount,
  /** byte·s; KV bytes integrated over the request's life. */
  kvByteSeconds: amount,
  /** FLOP, `matmul` convention. */
  flops: amount,
  /** bytes of weights, KV and activations moved. */
  bytesMoved: amount,
});
export type Work = z.infer<typeof workSchema>;
export type WorkMetric = keyof Work;

/** Metrics in which the stages of a request add up to it; peak memory is a maximum, and does not. */
export const additiveMetrics: readonly WorkMetric[] = [
  'cpuTime',
  'gpuTime',
  'energy',
  'kvBytes',
  'kvByteSeconds',
  'flops',
  'bytesMoved',
];
