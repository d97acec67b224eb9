/** The parts of a result about sampling, besides the figures drawn from it. */
import { z } from 'zod';

const count = z.int().nonnegative();

/** The cost of sampling, over every segment of the run. */
export const samplerCostSchema = z.strictObject({
  /** Share of one core that the sampler's own thread used; `null` where threads cannot be told apart. */
  cpuShare: z.number().nonnegative().nullable(),
  durationNs: z.number().nonnegative(),
  samples: count,
  /** Samples lost because they were not collected in time. */
  dropped: count,
  /** Readings that came so late that the next was due as well. */
  missed: count,
});
export type SamplerCost = z.infer<typeof samplerCostSchema>;

/** A session recorded before, played in place of this machine's sensors: nothing drawn from it is of this run. */
export const recordingSchema = z.strictObject({
  /** The file's name. */
  file: z.string(),
  sha256: z.string(),
  /** The machine that was recorded, for people. */
  machine: z.string(),
  recordedAt: z.iso.datetime(),
});
export type Recording = z.infer<typeof recordingSchema>;

/** The use of a device while the run asked nothing of it. Reported, never subtracted. */
export const idleBaselineSchema = z.strictObject({
  unit: z.string(),
  before: z.number().nullable(),
  after: z.number().nullable(),
  mean: z.number().nullable(),
  /** Change from before to after, as a share of the mean. */
  drift: z.number().nullable(),
});

/** The fit by which a counter of a server was shared among the requests in flight. */
export const regressionSchema = z.strictObject({
  /** The counter, as `conservation` names it: `cpuTime/server`, `energy/gpu-0` … */
  account: z.string(),
  /** Why it could not be shared, in words; null where it was. */
  refused: z.string().nullable(),
  fit: z
    .strictObject({
      /** In the counter's unit per `per`. */
      coefficients: z.array(
        z.strictObject({
          name: z.string(),
          per: z.string(),
          value: z.number(),
          low: z.number(),
          high: z.number(),
        }),
      ),
      /** Regressors that the windows could not tell apart from those above. */
      dropped: z.array(z.string()),
      conditionNumber: z.number(),
      windows: count,
      /** Windows in a block of the bootstrap. */
      blockLength: count,
      /** Root mean square of the windows' residuals ÷ that of their amounts. */
      residualShare: z.number(),
      /** By which all charges were multiplied to add up to what the counter showed. */
      scale: z.number(),
    })
    .nullable(),
});
export type Regression = z.infer<typeof regressionSchema>;

/** The error of a way of sharing among requests, relative to a better one. */
export const attributionErrorSchema = z.strictObject({
  metric: z.string(),
  /** The way that was tested, and what it was held against, in words. */
  method: z.string(),
  against: z.string(),
  /** |shared − better| ÷ better. */
  median: z.number().nonnegative(),
  largest: z.number().nonnegative(),
  /** Figures that were compared: requests, or cells where `against` is another run of them. */
  compared: count,
  concurrency: count,
  /** Share of 95% intervals that hold the better figure, where there are intervals. */
  coverage: z.number().min(0).max(1).optional(),
});
export type AttributionError = z.infer<typeof attributionErrorSchema>;
