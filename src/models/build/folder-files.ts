import { type Dtype, onnxFileName } from '../dtype.js';
import type { Recipe } from '../recipe.js';
import { synthesiseVocabulary, type Vocabulary } from './vocabulary.js';

/** `model_type` and `architectures` of config.json; see hf-config.ts for the two that differ. */
const identities: Record<Recipe['architecture'], [modelType: string, className: string]> = {
  llama: ['llama', 'LlamaForCausalLM'],
  mistral: ['mistral', 'MistralForCausalLM'],
  qwen2: ['qwen2', 'Qwen2ForCausalLM'],
  qwen3: ['qwen3', 'Qwen3ForCausalLM'],
  gpt2: ['gpt2', 'GPT2LMHeadModel'],
  mixtral: ['qwen2_moe', 'MixtralForCausalLM'],
  olmoe: ['qwen3_moe', 'OlmoeForCausalLM'],
  qwen2_moe: ['qwen2_moe', 'Qwen2MoeForCausalLM'],
  qwen3_moe: ['qwen3_moe', 'Qwen3MoeForCausalLM'],
};

/** What stands beside the weights in a model folder, by file name; `more` are further fields of config.json. */
export function folderFiles(
  recipe: Recipe,
  vocabulary: Vocabulary,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  const [eos, bos] = [recipe.eosTokenIds[0]!, recipe.bosTokenId ?? recipe.eosTokenIds[0]!];
  const names = { bos_token: vocabulary.tokens[bos]!, eos_token: vocabulary.tokens[eos]! };
  return {
    'config.json': { ...configOf(recipe), ...more },
    'generation_config.json': {
      bos_token_id: recipe.bosTokenId,
      eos_token_id: recipe.eosTokenIds,
      pad_token_id: eos,
      do_sample: false,
    },
    'tokenizer.json': tokenizerOf(vocabulary),
    'tokenizer_config.json': {
      tokenizer_class: 'PreTrainedTokenizerFast',
      model_max_length: recipe.contextLength,
      clean_up_tokenization_spaces: false,
      ...names,
      pad_token: names.eos_token,
    },
    'special_tokens_map.json': { ...names, pad_token: names.eos_token },
  };
}

/** The tokens of a recipe's model. */
export function vocabularyOf(recipe: Recipe): Vocabulary {
  return synthesiseVocabulary(recipe.vocabulary, specialTokens(recipe));
}

/**
 * Fields of config.json that tell transformers.js of the ONNX file. `externalData`: its weights are in a file of their
 * own.
 */
export function transformersJs(dtype: Dtype, externalData: boolean): Record<string, unknown> {
  const format = externalData ? { use_external_data_format: { [onnxFileName(dtype)]: 1 } } : {};
  return { 'transformers.js_config': { dtype, ...format } };
}

/** The recipe as a Hugging Face config.json; `recipeFromConfig` reads it back. */
export function configOf(recipe: Recipe): Record<string, unknown> {
  const [modelType, className] = identities[recipe.architecture];
  const shared = {
    model_type: modelType,
    architectures: [className],
    vocab_size: recipe.vocabulary,
    bos_token_id: recipe.bosTokenId,
    eos_token_id: recipe.eosTokenIds,
    tie_word_embeddings: recipe.tiedEmbeddings,
  };
  if (recipe.architecture === 'gpt2') {
    return {
      ...shared,
      n_embd: recipe.hiddenSize,
      n_layer: recipe.layers,
      n_head: recipe.heads,
      n_inner: recipe.intermediateSize,
      n_positions: recipe.contextLength,
      layer_norm_epsilon: recipe.normEpsilon,
      activation_function: 'gelu_new',
    };
  }
  return {
    ...shared,
    hidden_size: recipe.hiddenSize,
    num_hidden_layers: recipe.layers,
    num_attention_heads: recipe.heads,
    num_key_value_heads: recipe.kvHeads,
    head_dim: recipe.headDim,
    intermediate_size: recipe.intermediateSize,
    max_position_embeddings: recipe.contextLength,
    rms_norm_eps: recipe.normEpsilon,
    rope_theta: recipe.ropeTheta,
    hidden_act: 'silu',
    attention_bias: recipe.outputBias,
    mlp_bias: recipe.mlpBias,
    ...(recipe.mixture
      ? {
          num_experts: recipe.mixture.experts,
          num_experts_per_tok: recipe.mixture.expertsPerToken,
          moe_intermediate_size: recipe.mixture.expertSize,
          shared_expert_intermediate_size: recipe.mixture.sharedExpertSize,
          norm_topk_prob: recipe.mixture.normaliseRouting,
        }
      : {}),
  };
}

export function specialTokens({ bosTokenId, eosTokenIds }: Recipe): Vocabulary['special'] {
  const [eos, ...others] = eosTokenIds;
  const special = [{ id: eos!, content: '<|endoftext|>' }];
  for (const [index, id] of others.entries()) special.push({ id, content: `<|end_${index + 1}|>` });
  if (bosTokenId !== null && !eosTokenIds.includes(bosTokenId)) {
    special.push({ id: bosTokenId, content: '<|begin|>' });
  }
  return special;
}

/** tokenizer.json of a byte-level BPE. */
export function tokenizerOf({ tokens, merges, special }: Vocabulary): Record<string, unknown> {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((token) => ({
      ...token,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: merges.map((pair) => pair.join(' ')),
    },
  };
}
