import { TokenworkError } from '../../core/errors.js';
import type { GgufModel } from './read.js';

type Config = Record<string, unknown>;

/** Fields that all architectures have, read from one model's metadata. */
interface Fields {
  /** A number under the architecture's own name; undefined where it is not there. */
  number(key: string): number | undefined;
  /** A flag of each layer under the architecture's own name; undefined where that is no list of flags. */
  flags(key: string): boolean[] | undefined;
  has(tensor: string): boolean;
  vocabulary: number;
}

/** What llama.cpp calls an architecture, as transformers name its class, with the fields that are its own. */
const architectures: ReadonlyMap<string, (fields: Fields) => Config> = new Map([
  [
    'llama',
    (fields: Fields) =>
      fields.number('expert_count')
        ? mixture('MixtralForCausalLM', fields)
        : dense('LlamaForCausalLM', fields),
  ],
  ['qwen2', (fields: Fields) => dense('Qwen2ForCausalLM', fields)],
  ['qwen3', (fields: Fields) => dense('Qwen3ForCausalLM', fields)],
  ['olmoe', (fields: Fields) => mixture('OlmoeForCausalLM', fields)],
  ['qwen2moe', (fields: Fields) => mixture('Qwen2MoeForCausalLM', fields)],
  // llama.cpp scales the chosen experts' weights to sum to 1 for this one, and not for qwen2moe and olmoe.
  ['qwen3moe', (fields: Fields) => ({ ...mixture('Qwen3MoeForCausalLM', fields), norm_topk_prob: true })],
  ['gpt2', gpt2],
  ['gemma2', (fields: Fields) => gemma('Gemma2ForCausalLM', fields)],
  ['gemma3', (fields: Fields) => gemma('Gemma3ForCausalLM', fields)],
  ['phi3', (fields: Fields) => dense('Phi3ForCausalLM', fields)],
  ['gpt-oss', (fields: Fields) => mixture('GptOssForCausalLM', fields)],
]);

/**
 * The `config.json` that a GGUF model's metadata stands for, so that its shape is read by the same rules.
 * Throws TokenworkError `unsupported-architecture`.
 */
export function configOfGguf({ id, architecture, metadata, tensors }: GgufModel): Config {
  const read = architectures.get(architecture);
  if (read === undefined) {
    throw new TokenworkError(
      'unsupported-architecture',
      `${id} is of architecture "${architecture}", whose passes tokenwork cannot count.`,
      `Counted from GGUF: ${[...architectures.keys()].join(', ')}.`,
    );
  }
  const names = new Set(tensors.map(({ name }) => name));
  return read({
    number: (key) => {
      const value = metadata.get(`${architecture}.${key}`);
      // Some models give each layer its own number; those that are all alike are one.
      const one = Array.isArray(value) && new Set(value).size === 1 ? value[0] : value;
      return typeof one === 'number' || typeof one === 'bigint' ? Number(one) : undefined;
    },
    flags: (key) => {
      const value = metadata.get(`${architecture}.${key}`);
      const areFlags = Array.isArray(value) && value.every((flag) => typeof flag === 'boolean');
      return areFlags ? (value as boolean[]) : undefined;
    },
    has: (tensor) => names.has(tensor),
    // The table's own rows: converters pad vocabularies, and the metadata need not say so.
    vocabulary: tensors.find(({ name }) => name === 'token_embd.weight')?.shape[1] ?? 0,
  });
}

function dense(name: string, { number, flags, has, vocabulary }: Fields): Config {
  const hidden = number('embedding_length');
  const heads = number('attention.head_count');
  return {
    model_type: name,
    architectures: [name],
    hidden_size: hidden,
    num_hidden_layers: number('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: number('attention.head_count_kv'),
    head_dim: number('attention.key_length') ?? (hidden && heads ? hidden / heads : undefined),
    intermediate_size: number('feed_forward_length'),
    vocab_size: vocabulary,
    max_position_embeddings: number('context_length'),
    rms_norm_eps: number('attention.layer_norm_rms_epsilon'),
    rope_theta: number('rope.freq_base'),
    tie_word_embeddings: !has('output.weight'),
    attention_bias: has('blk.0.attn_q.bias') && has('blk.0.attn_output.bias'),
    mlp_bias: has('blk.0.ffn_up.bias'),
    sliding_window: number('attention.sliding_window'),
    // Each so many'th layer sees everything, or the layers are told one by one.
    sliding_window_pattern: number('attention.sliding_window_pattern'),
    layer_types: flags('attention.sliding_window_pattern')?.map((slides) =>
      slides ? 'sliding_attention' : 'full_attention',
    ),
  };
}

function mixture(name: string, fields: Fields): Config {
  const { number } = fields;
  const width = number('expert_feed_forward_length') ?? number('feed_forward_length');
  return {
    ...dense(name, fields),
    intermediate_size: width,
    moe_intermediate_size: width,
    num_local_experts: number('expert_count'),
    num_experts_per_tok: number('expert_used_count'),
    shared_expert_intermediate_size: number('expert_shared_feed_forward_length'),
  };
}

function gemma(name: string, fields: Fields): Config {
  return {
    ...dense(name, fields),
    attn_logit_softcapping: fields.number('attn_logit_softcapping'),
    final_logit_softcapping: fields.number('final_logit_softcapping'),
  };
}

function gpt2({ number, vocabulary }: Fields): Config {
  return {
    model_type: 'gpt2',
    architectures: ['GPT2LMHeadModel'],
    n_embd: number('embedding_length'),
    n_layer: number('block_count'),
    n_head: number('attention.head_count'),
    n_inner: number('feed_forward_length'),
    n_positions: number('context_length'),
    vocab_size: vocabulary,
    layer_norm_epsilon: number('attention.layer_norm_epsilon'),
  };
}
