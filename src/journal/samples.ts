import { z } from 'zod';
import { recordingSchema, samplerCostSchema } from '../core/records/sampling.js';
import type { Sample } from '../sampling/ring.js';
import { sensorRecordSchema } from '../sensors/session-file.js';
import { measuredRunSchema } from './measured-run.js';

const packedSeriesSchema = z.strictObject({
  channel: z.int(),
  /** The first in ns on the run's clock, each further one as the distance from the one before. */
  timesNs: z.array(z.number()),
  /** Null marks a gap. */
  values: z.array(z.number().nullable()),
});
type PackedSeries = z.infer<typeof packedSeriesSchema>;

const warning = z.strictObject({ code: z.string(), message: z.string(), hint: z.string() });

/** The recording that stood in for the machine's sensors. */
const playedRecordingSchema = recordingSchema.extend({
  path: z.string(),
  /** Whether GPUs are a part of what a request cost, as they were beside what was recorded. */
  usesGpu: z.boolean(),
});
export type PlayedRecording = z.infer<typeof playedRecordingSchema>;

/**
 * The entries that sampling leaves in the journal. Samples themselves are journalled, several times a second, and
 * nothing drawn from them: who used what can only be told once all that ran beside a request has ended,
 * and a counter has ticked after it. So what a killed process had sampled is attributed as if it had lived.
 */
export const samplingEntries = [
  /** A process begins to sample. */
  z.strictObject({
    kind: z.literal('sampling'),
    sensors: z.array(sensorRecordSchema),
    recorded: playedRecordingSchema.nullable(),
  }),
  z.strictObject({ kind: z.literal('samples'), series: z.array(packedSeriesSchema) }),
  /** A segment in which nothing was asked of the machine, or the beginning of measuring. */
  z.strictObject({
    kind: z.literal('span'),
    of: z.enum(['idle-before', 'measuring', 'idle-after']),
    fromNs: z.number(),
    toNs: z.number().nullable(),
  }),
  /** A request that ran with no other beside it, to hold the sharing among several against. */
  z.strictObject({
    kind: z.literal('alone'),
    cell: z.string(),
    runs: z.array(measuredRunSchema).min(1),
  }),
  /** Requests of two cells that were sent to a server at once, with no other beside them. */
  z.strictObject({ kind: z.literal('pair'), cells: z.array(z.string()).length(2), run: measuredRunSchema }),
  /** Measuring requests alone began, was stopped in good order, or is complete. */
  z.strictObject({ kind: z.literal('validation'), state: z.enum(['begun', 'stopped', 'done']) }),
  /** Sampling ended in good order. */
  z.strictObject({
    kind: z.literal('sampled'),
    cost: samplerCostSchema,
    warnings: z.array(warning),
  }),
] as const;

/** Samples by channel, in few characters. */
export function packSamples(samples: readonly Sample[]): PackedSeries[] {
  const packed = new Map<number, PackedSeries & { lastNs: number }>();
  for (const { timeNs, channel, value } of samples) {
    let series = packed.get(channel);
    if (series === undefined) {
      series = { channel, timesNs: [], values: [], lastNs: 0 };
      packed.set(channel, series);
    }
    series.timesNs.push(Math.round(timeNs) - series.lastNs);
    series.values.push(Number.isNaN(value) ? null : value);
    series.lastNs = Math.round(timeNs);
  }
  return [...packed.values()].map(({ channel, timesNs, values }) => ({ channel, timesNs, values }));
}

export function unpackSamples(packed: readonly PackedSeries[]): Sample[] {
  return packed.flatMap(({ channel, timesNs, values }) => {
    let timeNs = 0;
    return timesNs.map((apartNs, index) => {
      timeNs += apartNs;
      return { channel, timeNs, value: values[index] ?? Number.NaN };
    });
  });
}
