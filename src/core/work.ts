import { z } from 'zod';
import { provenances, type WorkMetric, workMetricNames } from './metrics.js';

/**
 * Why a figure is absent; `lost`: its sensor failed or left a gap in that segment; `not-counted`: part of the
 * model's graph could not be counted; `not-sampled`: it is measured of one request of a cell, and this is another.
 */
export const absenceReason = z.enum([
  'unsupported',
  'permission',
  'too-short',
  'not-applicable',
  'lost',
  'not-counted',
  'not-sampled',
]);
export type AbsenceReason = z.infer<typeof absenceReason>;

/** Absences of what is counted from graphs, where one could not be counted exactly. */
export const notCounted = {
  flops: 'not-counted',
  memoryTraffic: 'not-counted',
  activationBytes: 'not-counted',
} as const satisfies Partial<Record<WorkMetric, AbsenceReason>>;

export const metricSchema = z.strictObject({
  unit: z.string(),
  provenance: z.enum(provenances),
  method: z.string(),
  /** Set where the whole metric is unavailable in this run. */
  reason: absenceReason.nullable().default(null),
  hint: z.string().nullable().default(null),
});
export type Metric = z.infer<typeof metricSchema>;

/** Results from before there was a metric have none of it. */
const amount = z.number().nonnegative().nullable().default(null);

/** The work of a request (or a stage of it), in base units by metric; `null` where it was not measured. */
export const workSchema = z.strictObject(
  Object.fromEntries(workMetricNames().map((name) => [name, amount])) as Record<WorkMetric, typeof amount>,
);
export type Work = z.infer<typeof workSchema>;
