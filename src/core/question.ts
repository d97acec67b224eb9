import { z } from 'zod';
import { type MetricName, metrics } from './metrics.js';
import { namedRecord } from './named-record.js';

export const factorValue = z.union([z.number(), z.string(), z.boolean()]);
export type FactorValue = z.infer<typeof factorValue>;

/**
 * What a suite was made to find out: how something that requests cost changes with one factor of the
 * design. It travels with the result, where the analysis answers it by a figure and an interval.
 */
export const questionSchema = z.strictObject({
  /** The question as a reader would ask it, ending in a question mark. */
  text: z.string().regex(/\?$/, 'expected a question, which ends in a question mark'),
  /** A factor of the cells whose levels are held against each other; `model` is the cell's model. */
  factor: z.string().min(1),
  /** The level that the others are divided by. */
  baseline: factorValue,
  /** A kind of work or a latency of the request, by its name in the registry of metrics. */
  metric: z.enum(metrics.map(({ name }) => name) as [MetricName, ...MetricName[]]),
  /** The amount of a request as it is, of each of its billed tokens, or of each sequence of its batch. */
  per: z.enum(['request', 'billedToken', 'sequence']).default('request'),
  /**
   * `mean`: mean at a level ÷ mean at the baseline. `variation`: the coefficient of variation over the
   * cells of a level, noise between repetitions taken out, at each level. `hiddenShare`: the share of the
   * metric spent in stages that move no field of `usage`, at each level.
   */
  statistics: z
    .array(z.enum(['mean', 'variation', 'hiddenShare']))
    .min(1)
    .default(['mean']),
  /** Factors at equal levels of which alone cells are compared, one figure for each combination. */
  by: z.array(z.string()).default([]),
  /** Only cells with these levels take part. */
  where: namedRecord(factorValue).default({}),
});
export type Question = z.infer<typeof questionSchema>;
