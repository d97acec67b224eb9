import { z } from 'zod';
import { namedRecord } from '../core/named-record.js';
import { factorValue } from '../core/question.js';

const counts = z.array(z.int().positive()).min(1);
const names = z.array(z.string().min(1)).min(1);

/** Requests of one round of a block: more than any machine runs, and few enough to be planned in memory. */
const mostRequests = 1_000_000;

/** One factorial of the design: every prompt with every completion length and every batch size. */
const fields = z.strictObject({
  /** Lengths of synthetic prompts; or, in its place, `prompts`: names of texts in bench/prompts/. */
  promptTokens: counts.optional(),
  prompts: names.optional(),
  completionTokens: counts,
  /** Rows that run in lockstep; not through a prefix cache, draft and verify, or retrieval that is not billed. */
  batch: counts.default([1]),
  /** Whether the rows of a batch have the same prompt, or each one of its own (synthetic prompts only). */
  neighbours: z
    .array(z.enum(['same', 'different']))
    .min(1)
    .optional(),
  /** Pipelines by name, or by path from the suite's folder; plain chat where absent. */
  pipelines: names.optional(),
  /**
   * Policies that vary, by the stage's name and the policy's (`reasoning.tokens`), each a factor of the
   * design; pipelines without the stage are run without.
   */
  policies: namedRecord(z.array(factorValue).min(1)).default({}),
  /** Requests a round for which chance decides what a pipeline leaves to it. */
  draws: z.int().positive().default(1),
  /** Only these of the suite's models; all of them where absent. */
  models: names.optional(),
});
type BlockFields = z.infer<typeof fields>;

export const blockSchema = fields
  .refine((block) => (block.promptTokens === undefined) !== (block.prompts === undefined), {
    message: 'expected either promptTokens or prompts',
  })
  .refine(({ neighbours, prompts }) => neighbours === undefined || prompts === undefined, {
    message: 'expected promptTokens, as neighbours differ by their synthetic prompts',
    path: ['neighbours'],
  })
  .refine((block) => requestsOf(block) <= mostRequests, {
    message: `expected a block of at most ${mostRequests.toLocaleString('en')} requests a round`,
  });

/** At most: a pipeline without a policy's stage has fewer. */
function requestsOf({
  promptTokens,
  prompts,
  neighbours,
  pipelines,
  policies,
  ...block
}: BlockFields): number {
  const lists = [promptTokens ?? prompts ?? [], block.completionTokens, block.batch, neighbours, pipelines];
  return [...lists, ...Object.values(policies)].reduce(
    (product, levels) => product * (levels?.length ?? 1),
    block.draws,
  );
}
export type Block = z.infer<typeof blockSchema>;
