import { z } from 'zod';
import { TokenworkError } from '../core/errors.js';
import { parseRecipe, type Recipe } from './recipe.js';

/**
 * transformers.js picks its cache layout by `model_type` and knows no OLMoE or Mixtral, so folders built
 * of those name a type it does know; `architectures` still says what the model is, and is read first.
 */
const families: ReadonlyMap<string, Recipe['architecture']> = new Map([
  ['LlamaForCausalLM', 'llama'],
  // As the first conversions of LLaMA wrote it.
  ['LLaMAForCausalLM', 'llama'],
  ['MistralForCausalLM', 'mistral'],
  ['Qwen2ForCausalLM', 'qwen2'],
  ['Qwen3ForCausalLM', 'qwen3'],
  ['GPT2LMHeadModel', 'gpt2'],
  ['MixtralForCausalLM', 'mixtral'],
  ['OlmoeForCausalLM', 'olmoe'],
  ['Qwen2MoeForCausalLM', 'qwen2_moe'],
  ['Qwen3MoeForCausalLM', 'qwen3_moe'],
]);

const mixtures = new Set<Recipe['architecture']>(['mixtral', 'olmoe', 'qwen2_moe', 'qwen3_moe']);

const size = z.int().positive();
/** Nothing of the shape depends on these, so that whatever stands there is taken. */
const tokenIds = z.unknown().optional();

const gpt2Schema = z.looseObject({
  n_embd: size,
  n_layer: size,
  n_head: size,
  n_inner: size.nullish(),
  n_positions: size.default(1024),
  vocab_size: size,
  layer_norm_epsilon: z.number().default(1e-5),
  activation_function: z.literal('gelu_new').default('gelu_new'),
  bos_token_id: tokenIds,
  eos_token_id: tokenIds,
});

const ropeSchema = z.looseObject({ rope_theta: z.number().optional() });

const llamaSchema = z.looseObject({
  hidden_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  intermediate_size: size,
  vocab_size: size,
  /** By transformers' default for Llama where it is left out; older configs call it max_sequence_length. */
  max_position_embeddings: size.nullish(),
  max_sequence_length: size.nullish(),
  rms_norm_eps: z.number().default(1e-6),
  hidden_act: z.literal('silu').default('silu'),
  rope_theta: z.number().optional(),
  /** Newer configs keep the base here; scaling changes the tables' values, never the work. */
  rope_parameters: ropeSchema.nullish(),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  use_sliding_window: z.boolean().optional(),
  sliding_window: size.nullish(),
  max_window_layers: z.int().nonnegative().nullish(),
  layer_types: z.array(z.string()).nullish(),
  num_local_experts: size.optional(),
  num_experts: size.optional(),
  num_experts_per_tok: size.optional(),
  moe_intermediate_size: size.optional(),
  shared_expert_intermediate_size: z.int().nonnegative().optional(),
  norm_topk_prob: z.boolean().default(false),
  decoder_sparse_step: z.literal(1).default(1),
  mlp_only_layers: z.array(z.number()).max(0, 'dense layers between mixtures are not supported').default([]),
  bos_token_id: tokenIds,
  eos_token_id: tokenIds,
});
type LlamaConfig = z.infer<typeof llamaSchema>;

/**
 * The recipe of a Hugging Face `config.json`.
 * Throws TokenworkError `unsupported-architecture` or `bad-config`.
 */
export function recipeFromConfig(config: unknown, id: string): Recipe {
  return parseRecipe(recipeFieldsOf(config, id), `config.json of ${id}`, 'bad-config');
}

/** Reads the fields of a recipe out of a Hugging Face `config.json`; the recipe schema checks the rest. */
function recipeFieldsOf(config: unknown, id: string): Recipe {
  const { architectures, model_type, draft_vocab_size, ...rest } = parse(
    z.looseObject({
      architectures: z.array(z.string()).nullish(),
      model_type: z.string(),
      draft_vocab_size: z.unknown().optional(),
    }),
    config,
    id,
  );
  const supported = [...new Set(families.values())];
  // What is named is what it is: a draft or a classifier of Llama's type has other layers than Llama.
  const named = architectures?.[0];
  const family = named === undefined ? supported.find((name) => name === model_type) : families.get(named);
  // A draft of EAGLE-3 may be named as the model that it drafts for, and has a head of its own and wider inputs.
  const isDraft = (draft_vocab_size ?? null) !== null;
  if (family === undefined || isDraft) {
    throw new TokenworkError(
      'unsupported-architecture',
      `The config.json of ${id} is of ${isDraft ? 'a draft of ' : ''}architecture "${named ?? model_type}", which tokenwork cannot build.`,
      `Supported: ${supported.join(', ')}. A folder with its own ONNX file is accepted for any decoder.`,
    );
  }
  // transformers writes null for what is left out.
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
  return family === 'gpt2' ? gpt2Fields(given, id) : llamaFields(given, id, family);
}

function gpt2Fields(config: unknown, id: string): Recipe {
  const gpt2 = parse(gpt2Schema, config, id);
  requireDivisible(gpt2.n_embd, gpt2.n_head, id);
  return {
    id,
    name: id,
    source: `config.json of ${id}`,
    architecture: 'gpt2',
    hiddenSize: gpt2.n_embd,
    layers: gpt2.n_layer,
    heads: gpt2.n_head,
    kvHeads: gpt2.n_head,
    headDim: gpt2.n_embd / gpt2.n_head,
    intermediateSize: gpt2.n_inner ?? 4 * gpt2.n_embd,
    vocabulary: gpt2.vocab_size,
    contextLength: gpt2.n_positions,
    normEpsilon: gpt2.layer_norm_epsilon,
    ropeTheta: null,
    tiedEmbeddings: true,
    qkvBias: true,
    outputBias: true,
    mlpBias: true,
    qkNorm: 'none',
    mixture: null,
    bosTokenId: idsIn(gpt2.bos_token_id)[0] ?? null,
    eosTokenIds: listOf(gpt2.eos_token_id, gpt2.vocab_size),
  };
}

function llamaFields(config: unknown, id: string, family: Recipe['architecture']): Recipe {
  const llama = parse(llamaSchema, config, id);
  if (llama.head_dim == null) requireDivisible(llama.hidden_size, llama.num_attention_heads, id);
  return {
    id,
    name: id,
    source: `config.json of ${id}`,
    architecture: family,
    hiddenSize: llama.hidden_size,
    layers: llama.num_hidden_layers,
    heads: llama.num_attention_heads,
    kvHeads: llama.num_key_value_heads ?? llama.num_attention_heads,
    headDim: llama.head_dim ?? llama.hidden_size / llama.num_attention_heads,
    intermediateSize: llama.intermediate_size,
    vocabulary: llama.vocab_size,
    contextLength: contextOf(llama),
    normEpsilon: llama.rms_norm_eps,
    ropeTheta: llama.rope_theta ?? llama.rope_parameters?.rope_theta ?? 10_000,
    tiedEmbeddings: llama.tie_word_embeddings,
    qkvBias: family === 'qwen2' || family === 'qwen2_moe' || llama.attention_bias,
    outputBias: llama.attention_bias,
    mlpBias: llama.mlp_bias,
    qkNorm: family === 'olmoe' ? 'projection' : family.startsWith('qwen3') ? 'head' : 'none',
    mixture: mixtureOf(llama, family, id),
    bosTokenId: idsIn(llama.bos_token_id)[0] ?? null,
    eosTokenIds: listOf(llama.eos_token_id, llama.vocab_size),
  };
}

/** Positions that transformers gives a Llama whose config leaves them out. */
const defaultPositions = 2048;

/** A sliding window of any layer is taken as the context's end: within it, it hides nothing. */
function contextOf(llama: LlamaConfig): number {
  const positions = llama.max_position_embeddings ?? llama.max_sequence_length ?? defaultPositions;
  return Math.min(positions, hasSlidingLayer(llama) ? llama.sliding_window! : Number.POSITIVE_INFINITY);
}

/** By `layer_types` where layers are listed; else those from `max_window_layers` on, or all. */
function hasSlidingLayer(llama: LlamaConfig): boolean {
  if (llama.use_sliding_window === false || llama.sliding_window == null) return false;
  if (llama.layer_types) return llama.layer_types.includes('sliding_attention');
  return (llama.max_window_layers ?? 0) < llama.num_hidden_layers;
}

function mixtureOf(llama: LlamaConfig, family: Recipe['architecture'], id: string): Recipe['mixture'] {
  if (!mixtures.has(family)) return null;
  const experts = llama.num_local_experts ?? llama.num_experts;
  const expertsPerToken = llama.num_experts_per_tok;
  if (experts === undefined || expertsPerToken === undefined) {
    throw badConfig(id, 'a mixture needs num_experts (or num_local_experts) and num_experts_per_tok');
  }
  return {
    experts,
    expertsPerToken,
    expertSize: llama.moe_intermediate_size ?? llama.intermediate_size,
    normaliseRouting: family === 'mixtral' || llama.norm_topk_prob,
    sharedExpertSize: family === 'qwen2_moe' ? (llama.shared_expert_intermediate_size ?? 0) : 0,
  };
}

/** Ids that end a text; the last of the vocabulary where the config names none. */
function listOf(ids: unknown, vocabulary: number): number[] {
  const known = idsIn(ids);
  return known.length > 0 ? known : [vocabulary - 1];
}

function idsIn(ids: unknown): number[] {
  return [ids].flat().filter((id): id is number => Number.isInteger(id) && (id as number) >= 0);
}

function requireDivisible(hidden: number, heads: number, id: string): void {
  if (hidden % heads !== 0) throw badConfig(id, `hidden size ${hidden} is not divisible by ${heads} heads`);
}

export function parse<Schema extends z.ZodType>(
  schema: Schema,
  config: unknown,
  id: string,
): z.infer<Schema> {
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) =>
    path.length > 0 ? `${path.join('.')}: ${message}` : message,
  );
  throw badConfig(id, problems.join('; '), parsed.error);
}

export function badConfig(id: string, problem: string, cause?: unknown): TokenworkError {
  return new TokenworkError(
    'bad-config',
    `The config.json of ${id} does not describe a decoder tokenwork can build: ${problem}.`,
    'Take config.json unchanged from the model’s repository.',
    { cause },
  );
}
