import { z } from 'zod';
import { requestPipelineSchema } from './pipeline.js';

/** The prompt of a request: token ids drawn by seed, or a text for the model's own tokenizer. */
const promptSpecSchema = z.union([
  z.strictObject({
    kind: z.literal('synthetic'),
    tokens: z.int(),
    seed: z.int(),
    /** What it begins with: blocks of `size` tokens, each drawn by `seed` and its id; `tokens` cuts them short. */
    blocks: z.strictObject({ ids: z.array(z.int()), size: z.int().positive(), seed: z.int() }).optional(),
  }),
  z.strictObject({
    kind: z.literal('text'),
    text: z.string(),
    name: z.string(),
    /** For the model's chat template, where it has one; `text` has their contents. */
    messages: z.array(z.strictObject({ role: z.string(), content: z.string() })).optional(),
  }),
]);
export type PromptSpec = z.infer<typeof promptSpecSchema>;

/** The choice of the next token from its logits. */
const samplingSchema = z.union([
  z.strictObject({ kind: z.literal('greedy') }),
  z.strictObject({
    kind: z.literal('seeded'),
    temperature: z.number(),
    topK: z.int().optional(),
    seed: z.int(),
  }),
]);
export type Sampling = z.infer<typeof samplingSchema>;

/**
 * One request, as it is planned, journalled and run: the only definition of its shape. Lengths are in tokens of
 * each row; `batch` rows run side by side.
 */
export const requestSpecSchema = z.strictObject({
  prompt: promptSpecSchema,
  completionTokens: z.int(),
  batch: z.int(),
  /** `forced`: end-of-text is generated past, so that exactly `completionTokens` come out; `eos`: it ends a row. */
  stop: z.enum(['forced', 'eos']),
  sampling: samplingSchema,
  /** Whether all rows of a batch have the same synthetic prompt, or each its own; `same` where absent. */
  neighbours: z.enum(['same', 'different']).optional(),
  /** Plain chat where absent. */
  pipeline: requestPipelineSchema.optional(),
});
export type RequestSpec = z.infer<typeof requestSpecSchema>;
