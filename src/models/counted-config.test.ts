import { describe, expect, test } from 'vitest';
import { bytesOf, flopsOf } from '../core/cost.js';
import { buildCountedGraph } from './build/counted-decoder.js';
import { deriveCost } from './cost/derive-cost.js';
import { countedShapeOf } from './counted-config.js';
import { describeDecoder } from './decoder-graph.js';
import type { Dtype } from './dtype.js';
import { recipeFromConfig } from './hf-config.js';

/** Fields of the published config.json files that say what a pass costs. */
const gemma2 = (sizes: object) => ({
  architectures: ['Gemma2ForCausalLM'],
  model_type: 'gemma2',
  vocab_size: 256_000,
  sliding_window: 4096,
  attn_logit_softcapping: 50,
  final_logit_softcapping: 30,
  ...sizes,
});
const configs = {
  'gemma-2-2b': gemma2({
    hidden_size: 2304,
    num_hidden_layers: 26,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 256,
    intermediate_size: 9216,
  }),
  'gemma-2-9b': gemma2({
    hidden_size: 3584,
    num_hidden_layers: 42,
    num_attention_heads: 16,
    num_key_value_heads: 8,
    head_dim: 256,
    intermediate_size: 14_336,
  }),
  'gemma-2-27b': gemma2({
    hidden_size: 4608,
    num_hidden_layers: 46,
    num_attention_heads: 32,
    num_key_value_heads: 16,
    head_dim: 128,
    intermediate_size: 36_864,
  }),
  'gemma-3-1b': {
    architectures: ['Gemma3ForCausalLM'],
    model_type: 'gemma3_text',
    hidden_size: 1152,
    num_hidden_layers: 26,
    num_attention_heads: 4,
    num_key_value_heads: 1,
    head_dim: 256,
    intermediate_size: 6912,
    vocab_size: 262_144,
    sliding_window: 512,
    sliding_window_pattern: 6,
  },
  'phi-3-mini': {
    architectures: ['Phi3ForCausalLM'],
    model_type: 'phi3',
    hidden_size: 3072,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 32,
    intermediate_size: 8192,
    vocab_size: 32_064,
    sliding_window: 2047,
  },
  'gpt-oss-20b': {
    architectures: ['GptOssForCausalLM'],
    model_type: 'gpt_oss',
    hidden_size: 2880,
    num_hidden_layers: 24,
    num_attention_heads: 64,
    num_key_value_heads: 8,
    head_dim: 64,
    intermediate_size: 2880,
    vocab_size: 201_088,
    num_local_experts: 32,
    num_experts_per_tok: 4,
    sliding_window: 128,
    attention_bias: true,
  },
  'deepseek-v2-lite': {
    architectures: ['DeepseekV2ForCausalLM'],
    model_type: 'deepseek_v2',
    hidden_size: 2048,
    num_hidden_layers: 27,
    num_attention_heads: 16,
    q_lora_rank: null,
    kv_lora_rank: 512,
    qk_nope_head_dim: 128,
    qk_rope_head_dim: 64,
    v_head_dim: 128,
    intermediate_size: 10_944,
    moe_intermediate_size: 1408,
    n_routed_experts: 64,
    n_shared_experts: 2,
    num_experts_per_tok: 6,
    first_k_dense_replace: 1,
    vocab_size: 102_400,
  },
  'deepseek-v3': {
    architectures: ['DeepseekV3ForCausalLM'],
    model_type: 'deepseek_v3',
    hidden_size: 7168,
    num_hidden_layers: 61,
    num_attention_heads: 128,
    q_lora_rank: 1536,
    kv_lora_rank: 512,
    qk_nope_head_dim: 128,
    qk_rope_head_dim: 64,
    v_head_dim: 128,
    intermediate_size: 18_432,
    moe_intermediate_size: 2048,
    n_routed_experts: 256,
    n_shared_experts: 1,
    num_experts_per_tok: 8,
    first_k_dense_replace: 3,
    vocab_size: 129_280,
  },
};

function costOf(name: keyof typeof configs, dtype: Dtype = 'fp16') {
  const shape = countedShapeOf(configs[name], name)!;
  const graph = buildCountedGraph(name, shape, dtype);
  return deriveCost(graph, describeDecoder(graph), { tiedEmbeddings: shape.tiedEmbeddings });
}

describe('a decoder counted from its config', () => {
  test.each([
    // Gemma 2's report (arXiv 2408.00118, table 2) gives these beside the embedding table.
    ['gemma-2-2b', 2_024_517_888 + 256_000 * 2304],
    ['gemma-2-9b', 8_324_201_984 + 256_000 * 3584],
    ['gemma-2-27b', 26_047_480_320 + 256_000 * 4608],
  ] as const)('%s has the published number of parameters', (name, parameters) => {
    expect(costOf(name)).toMatchObject({ parameters });
  });

  test.each([
    // gpt-oss model card (arXiv 2508.10925): 20.9B; DeepSeek-V2's README: 16B; DeepSeek-V3's: 671B.
    ['gpt-oss-20b', 20.9, 1],
    ['deepseek-v2-lite', 16, 0],
    ['deepseek-v3', 671, 0],
  ] as const)('%s has the %f billion parameters that are published', (name, billions, digits) => {
    expect((costOf(name).parameters / 1e9).toFixed(digits)).toBe(billions.toFixed(digits));
  });

  test('has the parameters that its shape says', () => {
    // Gemma 3: one table; of each layer q and o, k and v of one head, the feed-forward, four norms, and those of q and k.
    const gemma = 1152 * (2 * 4 * 256 + 2 * 256 + 3 * 6912 + 4) + 2 * 256;
    expect(costOf('gemma-3-1b').parameters).toBe(262_144 * 1152 + 26 * gemma + 1152);
    // Phi-3: table and head; of each layer q, k, v and o, the feed-forward, two norms.
    const phi = 3072 * (4 * 3072 + 3 * 8192 + 2);
    expect(costOf('phi-3-mini').parameters).toBe(2 * 32_064 * 3072 + 32 * phi + 3072);
  });

  test('has as many parameters in every dtype', () => {
    const counts = (['fp32', 'int8', 'q4'] as const).map((dtype) => costOf('gpt-oss-20b', dtype).parameters);
    expect(new Set(counts)).toEqual(new Set([costOf('gpt-oss-20b').parameters]));
  });

  test('of latent attention caches one latent and one rotary key a layer', () => {
    // DeepSeek-V3 (arXiv 2505.09343, table 1): 70.272 KB a token in 16 bits.
    expect(costOf('deepseek-v3').kvBytesPerToken).toBe(70_272);
  });

  test('costs what its products say', () => {
    const { hidden_size: h, num_attention_heads: heads, vocab_size: v } = configs['deepseek-v2-lite'];
    const attention = h * heads * 192 + h * 576 + heads * 128 * h + heads * (128 * 512 + 512 * 128);
    const pair = heads * (512 + 64 + 512);
    const dense = 3 * h * 10_944;
    const mixture = h * 64 + (6 + 2) * 3 * h * 1408;
    const macs = (n: number, p: number) =>
      n * (27 * attention + dense + 26 * mixture + h * v) + 27 * pair * n * (n + p);
    const cost = costOf('deepseek-v2-lite');
    for (const [newTokens, pastTokens] of [
      [7, 0],
      [1, 4096],
    ] as const)
      expect(flopsOf(cost, { batch: 1, newTokens, pastTokens }).matmul).toBe(2 * macs(newTokens, pastTokens));
  });

  test('reads the experts that are touched, and says how far its window reaches', () => {
    const cost = costOf('gpt-oss-20b');
    expect(cost.slidingWindow).toBe(128);
    expect(cost.mixture).toMatchObject({ layers: 24, experts: 32, expertsPerToken: 4 });
    const step = { batch: 1, newTokens: 1, pastTokens: 0 };
    const all = bytesOf(cost, step, 32).weights - bytesOf(cost, step, 0).weights;
    expect(all).toBe(24 * 32 * 2 * (3 * 2880 * 2880 + 3 * 2880));
  });

  test('is told by its architecture, and by its type where none is named', () => {
    const { architectures: _, ...unnamed } = configs['phi-3-mini'];
    expect(countedShapeOf(unnamed, 'phi')).toEqual(countedShapeOf(configs['phi-3-mini'], 'phi'));
    expect(countedShapeOf({ ...configs['phi-3-mini'], architectures: ['Phi3Draft'] }, 'phi')).toBeNull();
    for (const name of ['__proto__', 'constructor', 'toString'])
      expect(countedShapeOf({ architectures: [name], model_type: name }, 'odd')).toBeNull();
  });

  test('layers are listed, or follow the pattern', () => {
    const windows = (config: Record<string, unknown>) =>
      countedShapeOf(config, 'gemma')!.layers.map(
        ({ attention }) => attention.kind === 'grouped' && attention.window,
      );
    expect(windows(configs['gemma-3-1b']).map((window) => window === null)).toEqual(
      Array.from({ length: 26 }, (_, index) => index % 6 === 5),
    );
    const layer_types = Array.from({ length: 26 }, (_, index) =>
      index < 3 ? 'sliding_attention' : 'full_attention',
    );
    expect(
      windows({ ...configs['gemma-2-2b'], layer_types }).filter((window) => window !== null),
    ).toHaveLength(3);
  });
});

describe('a config', () => {
  const llama = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: 64,
    num_hidden_layers: 4,
    num_attention_heads: 2,
    intermediate_size: 64,
    vocab_size: 300,
  };

  test.each([
    'LlamaForCausalLMEagle3',
    'MistralModel',
    'LlamaForSequenceClassification',
    'toString',
    '__proto__',
  ])('that names %s is refused by that name, whatever its type', (name) => {
    expect(() => recipeFromConfig({ ...llama, architectures: [name] }, 'odd')).toThrow(
      expect.objectContaining({
        code: 'unsupported-architecture',
        message: expect.stringContaining(`"${name}"`),
      }),
    );
  });

  test('needs no field on which its shape does not depend', () => {
    expect(recipeFromConfig(llama, 'bare')).toMatchObject({ contextLength: 2048, eosTokenIds: [299] });
    const old = { ...llama, architectures: ['LLaMAForCausalLM'], max_sequence_length: 512 };
    expect(recipeFromConfig(old, 'old').contextLength).toBe(512);
  });

  test('ends its context with a window only where a layer has one', () => {
    const context = (fields: object) =>
      recipeFromConfig({ ...llama, max_position_embeddings: 4096, sliding_window: 128, ...fields }, 'windows')
        .contextLength;
    expect(context({})).toBe(128);
    expect(context({ use_sliding_window: false })).toBe(4096);
    expect(context({ max_window_layers: 4 })).toBe(4096);
    expect(context({ max_window_layers: 2 })).toBe(128);
    expect(context({ layer_types: new Array(4).fill('full_attention') })).toBe(4096);
  });
});
