import { describe, expect, it } from 'vitest';
import { configOf } from './build/folder-files.js';
import { smallRecipes } from './build/shapes.test-support.js';
import { recipeFromConfig } from './hf-config.js';
import { listRecipes, parameterCount } from './recipe.js';

const recipes = [...(await listRecipes()), ...Object.values(smallRecipes)];

/** As published on the Hub, cut to the fields that describe the shape. */
const mistral7b = {
  architectures: ['MistralForCausalLM'],
  model_type: 'mistral',
  bos_token_id: 1,
  eos_token_id: 2,
  hidden_act: 'silu',
  hidden_size: 4096,
  intermediate_size: 14336,
  max_position_embeddings: 32768,
  num_attention_heads: 32,
  num_hidden_layers: 32,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-5,
  rope_theta: 10000.0,
  sliding_window: 4096,
  tie_word_embeddings: false,
  vocab_size: 32000,
};
const qwen3 = {
  architectures: ['Qwen3ForCausalLM'],
  model_type: 'qwen3',
  attention_bias: false,
  bos_token_id: 151643,
  eos_token_id: 151645,
  head_dim: 128,
  hidden_act: 'silu',
  hidden_size: 1024,
  intermediate_size: 3072,
  max_position_embeddings: 40960,
  num_attention_heads: 16,
  num_hidden_layers: 28,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-6,
  rope_scaling: null,
  rope_theta: 1000000,
  sliding_window: null,
  tie_word_embeddings: true,
  use_sliding_window: false,
  vocab_size: 151936,
};
const mixtral = {
  ...mistral7b,
  architectures: ['MixtralForCausalLM'],
  model_type: 'mixtral',
  num_experts_per_tok: 2,
  num_local_experts: 8,
  rope_theta: 1000000.0,
  sliding_window: null,
};
const qwen15Moe = {
  architectures: ['Qwen2MoeForCausalLM'],
  model_type: 'qwen2_moe',
  bos_token_id: 151643,
  decoder_sparse_step: 1,
  eos_token_id: 151643,
  hidden_act: 'silu',
  hidden_size: 2048,
  intermediate_size: 5632,
  max_position_embeddings: 8192,
  moe_intermediate_size: 1408,
  norm_topk_prob: false,
  num_attention_heads: 16,
  num_experts: 60,
  num_experts_per_tok: 4,
  num_hidden_layers: 24,
  num_key_value_heads: 16,
  rms_norm_eps: 1e-6,
  rope_theta: 1000000.0,
  shared_expert_intermediate_size: 5632,
  sliding_window: 32768,
  tie_word_embeddings: false,
  use_sliding_window: false,
  vocab_size: 151936,
};
const gpt2Medium = {
  architectures: ['GPT2LMHeadModel'],
  model_type: 'gpt2',
  activation_function: 'gelu_new',
  bos_token_id: 50256,
  eos_token_id: 50256,
  layer_norm_epsilon: 1e-5,
  n_ctx: 1024,
  n_embd: 1024,
  n_head: 16,
  n_layer: 24,
  n_positions: 1024,
  vocab_size: 50257,
};

describe('a Hugging Face config.json', () => {
  // Published totals: safetensors metadata on the models' pages.
  it.each([
    ['Mistral-7B-v0.1', mistral7b, 7_241_732_096],
    ['Qwen3-0.6B', qwen3, 596_049_920],
    ['Mixtral-8x7B-v0.1', mixtral, 46_702_792_704],
    ['Qwen1.5-MoE-A2.7B', qwen15Moe, 14_315_784_192],
    ['gpt2-medium', gpt2Medium, 354_823_168],
  ])('of %s has its %i parameters', (id, config, parameters) => {
    expect(parameterCount(recipeFromConfig(config, id))).toBe(parameters);
  });

  it.each(recipes)('written for $id ($architecture) reads back as the same recipe', (recipe) => {
    const { name: _name, source: _source, logits: _logits, ...shape } = recipe;
    expect(recipeFromConfig(configOf(recipe), recipe.id)).toMatchObject(shape);
  });

  it('ends the context where a sliding window would begin to hide positions', () => {
    expect(recipeFromConfig(mistral7b, 'mistral').contextLength).toBe(4096);
    expect(recipeFromConfig(qwen15Moe, 'qwen').contextLength).toBe(8192);
  });

  it('may hold null for whatever it may leave out', () => {
    const nulls = [
      'rope_theta',
      'rope_scaling',
      'head_dim',
      'attention_bias',
      'mlp_bias',
      'rms_norm_eps',
    ].concat([
      'sliding_window',
      'use_sliding_window',
      'tie_word_embeddings',
      'mlp_only_layers',
      'eos_token_id',
    ]);
    const without = Object.fromEntries(Object.entries(mistral7b).filter(([key]) => !nulls.includes(key)));
    const withNulls = { ...without, ...Object.fromEntries(nulls.map((key) => [key, null])) };
    expect(recipeFromConfig(withNulls, 'm')).toEqual(recipeFromConfig(without, 'm'));
  });

  it('of a draft is refused by whatever name, as its head and its inputs are others', () => {
    for (const architectures of [['LlamaForCausalLM'], ['LlamaForCausalLMEagle3']])
      expect(() => recipeFromConfig({ ...mistral7b, architectures, draft_vocab_size: 32000 }, 'd')).toThrow(
        expect.objectContaining({ code: 'unsupported-architecture' }),
      );
  });

  it('of an unsupported architecture is refused, naming the supported ones', () => {
    const bert = { architectures: ['BertForMaskedLM'], model_type: 'bert', hidden_size: 768 };
    expect(() => recipeFromConfig(bert, 'bert')).toThrow(
      expect.objectContaining({
        code: 'unsupported-architecture',
        exitCode: 2,
        hint: expect.stringMatching(/llama.*qwen3.*gpt2.*olmoe/),
      }),
    );
  });

  it.each([
    ['a negative size', { ...qwen3, hidden_size: -1024 }, /hidden_size/],
    ['a size that is text', { ...qwen3, num_hidden_layers: 'many' }, /num_hidden_layers/],
    ['a fraction', { ...qwen3, intermediate_size: 3072.5 }, /intermediate_size/],
    ['heads that do not divide the hidden size', { ...mistral7b, num_attention_heads: 33 }, /4096.*33/],
    [
      'key heads that do not divide the heads',
      { ...mistral7b, num_key_value_heads: 5 },
      /multiple of kvHeads/,
    ],
    ['another activation', { ...qwen3, hidden_act: 'gelu' }, /hidden_act/],
    ['a mixture without experts', { ...mixtral, num_local_experts: undefined }, /num_experts/],
    ['more chosen experts than there are', { ...mixtral, num_experts_per_tok: 9 }, /expertsPerToken/],
    ['an end of text outside the vocabulary', { ...qwen3, eos_token_id: 200_000 }, /vocabulary/],
    ['an absurd size', { ...qwen3, vocab_size: 1e12 }, /vocabulary/],
    ['a list', [], /object/],
    ['nothing', null, /object/],
  ])('with %s is refused, naming the field', (_what, config, message) => {
    expect(() => recipeFromConfig(config, 'broken')).toThrow(
      expect.objectContaining({ code: 'bad-config', message: expect.stringMatching(message) }),
    );
  });
});
