import { z } from 'zod';
import { namedRecord } from '../core/named-record.js';

/**
 * A pipeline as data: what happens to a request on its way from prompt to answer. Every policy of a stage
 * is a number, a word or a switch, so that any of them can be a factor of a suite's design.
 */

const count = z.int().nonnegative();
const share = z.number().min(0).max(1);
/** A model of the pipeline by its role; `chat` is the model that answers. */
const role = z.string().min(1);
const named = {
  /** Its name in the ledger; its type where absent. */
  name: z.string().min(1).optional(),
  /** Stages that come before it; the one before it in the file where absent. */
  after: z.array(z.string()).optional(),
};

const tokenization = z.strictObject({ type: z.literal('tokenization'), ...named });

const detokenization = z.strictObject({ type: z.literal('detokenization'), ...named });

/** Is this text harmful? A word list first, then a classifier, then, by policy, a language model. */
const safety = z.strictObject({
  type: z.literal('safety'),
  ...named,
  on: z.enum(['prompt', 'completion']),
  /** An encoder that reads the text, in windows of its context; null for none. */
  classifier: role.nullable().default(null),
  /** A decoder that judges the text; null for none. */
  verifier: role.nullable().default(null),
  verify: z.enum(['never', 'when-flagged', 'always', 'sampled']).default('when-flagged'),
  /** Share of requests that the workload flags, beside those that the word list does. */
  flagRate: share.default(0),
  /** Share of requests that are verified where `verify` is `sampled`. */
  sampleRate: share.default(0.1),
  /** Tokens of the verifier's instructions, put before the text. */
  instructionTokens: count.default(48),
  /** Tokens of its verdict. */
  verdictTokens: z.int().positive().default(4),
});

/** The query is embedded, its nearest neighbours among the stored pieces of history go into the context. */
const retrieval = z.strictObject({
  type: z.literal('retrieval'),
  ...named,
  /** An encoder. */
  embedder: role,
  /** Stored pieces: as many vectors are searched, exactly. */
  vectors: z.int().positive().max(100_000).default(1000),
  /** Pieces retrieved; with 0, nothing is embedded or searched. */
  top: count.default(2),
  /** Tokens of a piece. */
  pieceTokens: z.int().positive().default(32),
  /** Whether retrieved tokens count as prompt tokens. Those that do not are evaluated in a pass of their own. */
  billed: z.boolean().default(false),
});

const prefill = z.strictObject({
  type: z.literal('prefill'),
  ...named,
  /** Tokens of a system prompt that all requests share; they are billed as prompt tokens. */
  systemTokens: count.default(0),
  /**
   * Turns of the conversation before this one, billed as prompt tokens: prompts as long as this one's, each
   * with what the model answered to it and all before.
   */
  historyTurns: count.default(0),
  /**
   * The prefix cache as this request finds it. `none`: there is none. `cold`: it is empty. `partial`: it
   * holds the system prompt and the history. `warm`: it holds the whole prompt. `evicted`: it has held it,
   * and other requests have since pushed it out.
   */
  cache: z.enum(['none', 'cold', 'partial', 'warm', 'evicted']).default('none'),
  /** Positions of a block of the cache; only whole blocks are reused. */
  blockTokens: z.int().positive().default(16),
  /** The cache's limit, in positions. */
  cacheTokens: z.int().positive().default(4096),
});

/** Tokens generated before the answer, which the user is not shown. */
const reasoning = z.strictObject({
  type: z.literal('reasoning'),
  ...named,
  /**
   * `fixed`: `tokens`. `proportional`: `share` of the prompt. `log-normal`: median `tokens`, with `sigma`
   * of the logarithm. `pareto`: at least `tokens`, with tail index `alpha`. `difficulty`: `tokens` times
   * the prompt's difficulty.
   */
  length: z.enum(['fixed', 'proportional', 'log-normal', 'pareto', 'difficulty']).default('fixed'),
  tokens: count.default(64),
  share: z.number().nonnegative().default(1),
  sigma: z.number().positive().default(1),
  alpha: z.number().positive().default(1.5),
  /** No more than this, however heavy the tail. */
  maxTokens: z.int().positive().default(1024),
  /** Whether they count as completion tokens. */
  billed: z.boolean().default(false),
});

const decode = z.strictObject({
  type: z.literal('decode'),
  ...named,
  /** `draft`: a smaller model proposes; `lookup`: what followed the same tokens before is proposed. */
  speculation: z.enum(['none', 'draft', 'lookup']).default('none'),
  draft: role.nullable().default(null),
  /** Tokens proposed at a time, checked by the chat model in one pass. */
  drafts: z.int().positive().max(16).default(4),
  /**
   * `model`: the chat model accepts what it would have chosen itself. A number: each proposal is accepted
   * with this probability, drawn by the workload, as random weights agree on nothing.
   */
  acceptance: z.union([z.literal('model'), share]).default('model'),
});

export const stageSchemas = { tokenization, safety, retrieval, prefill, reasoning, decode, detokenization };
export type PolicyType = keyof typeof stageSchemas;

export const stagePolicySchema = z.discriminatedUnion('type', [
  tokenization,
  safety,
  retrieval,
  prefill,
  reasoning,
  decode,
  detokenization,
]);
export type StagePolicy = z.infer<typeof stagePolicySchema>;
export type PolicyOf<Type extends PolicyType> = Extract<StagePolicy, { type: Type }>;

/** The draws for a stage of one request; drawn with the plan, so that a cell's requests are alike. */
const stageDrawSchema = z.strictObject({
  flagged: z.boolean().optional(),
  sampled: z.boolean().optional(),
  /** Reasoning tokens; absent where they are a share of a prompt that is yet to be tokenized. */
  tokens: count.optional(),
  /** Seeds the acceptance of drafts. */
  seed: z.int().optional(),
});
export type StageDraw = z.infer<typeof stageDrawSchema>;

/** The pipeline of one request: its stages in order, and which of the run's models plays which role. */
export const requestPipelineSchema = z.strictObject({
  name: z.string(),
  stages: z.array(stagePolicySchema),
  /** Ids of models by role; `chat` is the cell's own and not among them. */
  models: namedRecord(z.string()),
  /** Keyed by the stage's name. */
  drawn: namedRecord(stageDrawSchema),
  /** Seeds the texts of system prompts, histories and pieces. */
  seed: z.int(),
});
export type RequestPipeline = z.infer<typeof requestPipelineSchema>;

export function nameOf({ name, type }: StagePolicy): string {
  return name ?? type;
}

/** The pipeline's stage of a type that it has at most one of. */
export function policyOf<Type extends PolicyType>(
  { stages }: Pick<RequestPipeline, 'stages'>,
  type: Type,
): PolicyOf<Type> | undefined {
  return stages.find((stage): stage is PolicyOf<Type> => stage.type === type);
}

/** Whether a stage reads the prompt or the completion as a text. */
export function readsText({ stages }: Pick<RequestPipeline, 'stages'>): boolean {
  return stages.some(({ type }) => type === 'safety' || type === 'retrieval');
}

/** The pipeline of a request that names none. */
export const plainChat: RequestPipeline = {
  name: 'plain-chat',
  stages: (['tokenization', 'prefill', 'decode', 'detokenization'] as const).map((type) =>
    stagePolicySchema.parse({ type }),
  ),
  models: {},
  drawn: {},
  seed: 0,
};
