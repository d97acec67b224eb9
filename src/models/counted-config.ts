import { z } from 'zod';
import { badConfig, parse } from './hf-config.js';

/** A decoder that is counted from its config and not built: its shape, layer by layer. */
export interface CountedShape {
  hiddenSize: number;
  vocabulary: number;
  tiedEmbeddings: boolean;
  /** Whether the embedded tokens are scaled, as Gemma does. */
  scaledEmbeddings: boolean;
  /** Whether logits pass through c · tanh(x / c). */
  softcappedLogits: boolean;
  layers: CountedLayer[];
}

export interface CountedLayer {
  attention: GroupedAttention | LatentAttention;
  /** Gemma also normalises what attention and feed-forward give out. */
  postNorms: boolean;
  feedForward: DenseFeedForward | MixtureFeedForward;
}

export interface GroupedAttention {
  kind: 'grouped';
  heads: number;
  kvHeads: number;
  headDim: number;
  /** Positions each query sees, itself included; null: all before it. */
  window: number | null;
  softcap: boolean;
  /** One learned score a head, beside those of the keys. */
  sinks: boolean;
  bias: boolean;
  qkNorm: boolean;
}

/** Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): one latent of all heads is cached, and one rotary key. */
export interface LatentAttention {
  kind: 'latent';
  heads: number;
  /** Null: queries are projected at once. */
  queryRank: number | null;
  latentDim: number;
  contentDim: number;
  rotaryDim: number;
  valueDim: number;
}

interface DenseFeedForward {
  kind: 'dense';
  width: number;
  activation: 'silu' | 'gelu';
}

interface MixtureFeedForward {
  kind: 'mixture';
  experts: number;
  perToken: number;
  width: number;
  /** Width of the experts that every token passes, together; 0: none. */
  sharedWidth: number;
  /** On the router and on every projection of the experts. */
  bias: boolean;
  /** One number an expert by which the choice is balanced (DeepSeek-V3). */
  balanced: boolean;
}

const size = z
  .int()
  .positive()
  .max(2 ** 24);
const layerCount = z.int().positive().max(4096);
const layerTypes = z.array(z.string()).nullish();

const gemmaSchema = z.looseObject({
  hidden_size: size,
  num_hidden_layers: layerCount,
  num_attention_heads: size,
  num_key_value_heads: size,
  head_dim: size,
  intermediate_size: size,
  vocab_size: size,
  sliding_window: size.nullish(),
  sliding_window_pattern: size.nullish(),
  layer_types: layerTypes,
  attn_logit_softcapping: z.number().nullish(),
  final_logit_softcapping: z.number().nullish(),
  tie_word_embeddings: z.boolean().default(true),
});

const phiSchema = z.looseObject({
  hidden_size: size,
  num_hidden_layers: layerCount,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  intermediate_size: size,
  vocab_size: size,
  sliding_window: size.nullish(),
  tie_word_embeddings: z.boolean().default(false),
});

const gptOssSchema = z.looseObject({
  hidden_size: size,
  num_hidden_layers: layerCount,
  num_attention_heads: size,
  num_key_value_heads: size,
  head_dim: size,
  intermediate_size: size,
  vocab_size: size,
  num_local_experts: size,
  num_experts_per_tok: size.nullish(),
  experts_per_token: size.nullish(),
  sliding_window: size.nullish(),
  layer_types: layerTypes,
  attention_bias: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(false),
});

const deepseekSchema = z.looseObject({
  hidden_size: size,
  num_hidden_layers: layerCount,
  num_attention_heads: size,
  q_lora_rank: size.nullish(),
  kv_lora_rank: size,
  qk_nope_head_dim: size,
  qk_rope_head_dim: size,
  v_head_dim: size,
  intermediate_size: size,
  moe_intermediate_size: size,
  n_routed_experts: size,
  n_shared_experts: z.int().nonnegative().nullish(),
  num_experts_per_tok: size,
  first_k_dense_replace: z.int().nonnegative().default(0),
  moe_layer_freq: z.literal(1).default(1),
  attention_bias: z.literal(false).default(false),
  vocab_size: size,
  tie_word_embeddings: z.boolean().default(false),
});

type Reader = (config: unknown, id: string) => CountedShape;

const readers: ReadonlyMap<string, Reader> = new Map([
  ['Gemma2ForCausalLM', gemma(false)],
  ['Gemma3ForCausalLM', gemma(true)],
  ['Phi3ForCausalLM', phi3],
  ['GptOssForCausalLM', gptOss],
  ['DeepseekV2ForCausalLM', deepseek(false)],
  ['DeepseekV3ForCausalLM', deepseek(true)],
]);

const byModelType: ReadonlyMap<string, string> = new Map([
  ['gemma2', 'Gemma2ForCausalLM'],
  ['gemma3_text', 'Gemma3ForCausalLM'],
  ['phi3', 'Phi3ForCausalLM'],
  ['gpt_oss', 'GptOssForCausalLM'],
  ['deepseek_v2', 'DeepseekV2ForCausalLM'],
  ['deepseek_v3', 'DeepseekV3ForCausalLM'],
]);

/**
 * The shape of a Hugging Face `config.json` whose decoder tokenwork counts and does not build; null where it is
 * none of these. Throws TokenworkError `bad-config`.
 */
export function countedShapeOf(config: Record<string, unknown>, id: string): CountedShape | null {
  const { architectures, model_type: type } = config;
  const named: unknown = Array.isArray(architectures) ? architectures[0] : undefined;
  const name = named ?? (typeof type === 'string' ? byModelType.get(type) : undefined);
  return (typeof name === 'string' ? readers.get(name)?.(config, id) : undefined) ?? null;
}

/** Gemma 2 alternates sliding and full layers; of Gemma 3 each sixth is full. */
function gemma(third: boolean): Reader {
  return (config, id) => {
    const gemma = parse(gemmaSchema, config, id);
    const pattern = gemma.sliding_window_pattern ?? (third ? 6 : 2);
    const window = gemma.sliding_window ?? null;
    const layers = Array.from({ length: gemma.num_hidden_layers }, (_, index): CountedLayer => {
      const full = fullAttention(gemma.layer_types, index) ?? (index + 1) % pattern === 0;
      return {
        attention: grouped(gemma, {
          window: full ? null : window,
          softcap: gemma.attn_logit_softcapping != null,
          qkNorm: third,
        }),
        postNorms: true,
        feedForward: { kind: 'dense', width: gemma.intermediate_size, activation: 'gelu' },
      };
    });
    return {
      ...edges(gemma),
      scaledEmbeddings: true,
      softcappedLogits: gemma.final_logit_softcapping != null,
      layers,
    };
  };
}

function phi3(config: unknown, id: string): CountedShape {
  const phi = parse(phiSchema, config, id);
  if (phi.hidden_size % phi.num_attention_heads !== 0) {
    throw badConfig(
      id,
      `hidden size ${phi.hidden_size} is not divisible by ${phi.num_attention_heads} heads`,
    );
  }
  const layer: CountedLayer = {
    attention: grouped(
      {
        num_attention_heads: phi.num_attention_heads,
        num_key_value_heads: phi.num_key_value_heads ?? phi.num_attention_heads,
        head_dim: phi.hidden_size / phi.num_attention_heads,
      },
      { window: phi.sliding_window ?? null },
    ),
    postNorms: false,
    feedForward: { kind: 'dense', width: phi.intermediate_size, activation: 'silu' },
  };
  return { ...edges(phi), layers: new Array<CountedLayer>(phi.num_hidden_layers).fill(layer) };
}

function gptOss(config: unknown, id: string): CountedShape {
  const oss = parse(gptOssSchema, config, id);
  const perToken = oss.num_experts_per_tok ?? oss.experts_per_token;
  if (perToken == null) throw badConfig(id, 'num_experts_per_tok is missing');
  const layers = Array.from({ length: oss.num_hidden_layers }, (_, index): CountedLayer => {
    const full = fullAttention(oss.layer_types, index) ?? index % 2 === 1;
    return {
      attention: grouped(oss, {
        window: full ? null : (oss.sliding_window ?? null),
        sinks: true,
        bias: oss.attention_bias,
      }),
      postNorms: false,
      feedForward: {
        kind: 'mixture',
        experts: oss.num_local_experts,
        perToken,
        width: oss.intermediate_size,
        sharedWidth: 0,
        bias: true,
        balanced: false,
      },
    };
  });
  return { ...edges(oss), layers };
}

function deepseek(third: boolean): Reader {
  return (config, id) => {
    const deepseek = parse(deepseekSchema, config, id);
    const attention: LatentAttention = {
      kind: 'latent',
      heads: deepseek.num_attention_heads,
      queryRank: deepseek.q_lora_rank ?? null,
      latentDim: deepseek.kv_lora_rank,
      contentDim: deepseek.qk_nope_head_dim,
      rotaryDim: deepseek.qk_rope_head_dim,
      valueDim: deepseek.v_head_dim,
    };
    const width = deepseek.moe_intermediate_size;
    const layers = Array.from(
      { length: deepseek.num_hidden_layers },
      (_, index): CountedLayer => ({
        attention,
        postNorms: false,
        feedForward:
          index < deepseek.first_k_dense_replace
            ? { kind: 'dense', width: deepseek.intermediate_size, activation: 'silu' }
            : {
                kind: 'mixture',
                experts: deepseek.n_routed_experts,
                perToken: deepseek.num_experts_per_tok,
                width,
                sharedWidth: (deepseek.n_shared_experts ?? 0) * width,
                bias: false,
                balanced: third,
              },
      }),
    );
    return { ...edges(deepseek), layers };
  };
}

function edges(config: { hidden_size: number; vocab_size: number; tie_word_embeddings: boolean }) {
  return {
    hiddenSize: config.hidden_size,
    vocabulary: config.vocab_size,
    tiedEmbeddings: config.tie_word_embeddings,
    scaledEmbeddings: false,
    softcappedLogits: false,
  };
}

function grouped(
  config: { num_attention_heads: number; num_key_value_heads: number; head_dim: number },
  rest: Pick<GroupedAttention, 'window'> & Partial<GroupedAttention>,
): GroupedAttention {
  return {
    kind: 'grouped',
    heads: config.num_attention_heads,
    kvHeads: config.num_key_value_heads,
    headDim: config.head_dim,
    softcap: false,
    sinks: false,
    bias: false,
    qkNorm: false,
    ...rest,
  };
}

function fullAttention(types: string[] | null | undefined, layer: number): boolean | undefined {
  const type = types?.[layer];
  return type === undefined ? undefined : type === 'full_attention';
}
