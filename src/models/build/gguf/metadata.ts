import { TokenworkError } from '../../../core/errors.js';
import type { Dtype } from '../../dtype.js';
import type { GgufField } from '../../gguf/write.js';
import type { Recipe } from '../../recipe.js';
import type { Vocabulary } from '../vocabulary.js';
import type { MatrixType } from './tensors.js';

/** The architecture by llama.cpp's name, and what its graph there takes for granted. */
interface Family {
  name: string;
  /** Whether rotary halves are paired as neighbours, so that rows of queries and keys are reordered. */
  interleaved?: boolean;
  qkNorm: Recipe['qkNorm'];
  /** Whether the chosen experts' weights are scaled to sum to 1; null: it has no experts. */
  normaliseRouting: boolean | null;
  sharedExpert?: boolean;
  /** Biases of the attention's output and of the feed-forward. */
  biases?: boolean;
  /** Whether the heads together may be of another width than the stream. */
  freeHeads?: boolean;
  tiedEmbeddings?: boolean;
}

const llama: Family = {
  ...{ name: 'llama', interleaved: true, qkNorm: 'none', normaliseRouting: null },
  ...{ biases: true, freeHeads: true, tiedEmbeddings: true },
};

/** By the sources of llama.cpp in the release that the engine is pinned to: src/models/*.cpp there. */
const families: Record<Recipe['architecture'], Family> = {
  llama,
  mistral: llama,
  mixtral: { ...llama, normaliseRouting: true },
  qwen2: { name: 'qwen2', qkNorm: 'none', normaliseRouting: null, tiedEmbeddings: true },
  qwen3: { name: 'qwen3', qkNorm: 'head', normaliseRouting: null, freeHeads: true, tiedEmbeddings: true },
  gpt2: { name: 'gpt2', qkNorm: 'none', normaliseRouting: null, biases: true, tiedEmbeddings: true },
  olmoe: { name: 'olmoe', qkNorm: 'projection', normaliseRouting: false },
  qwen2_moe: { name: 'qwen2moe', qkNorm: 'none', normaliseRouting: false, sharedExpert: true },
  qwen3_moe: {
    ...{ name: 'qwen3moe', qkNorm: 'head', normaliseRouting: true, freeHeads: true, tiedEmbeddings: true },
  },
};

/** Types of the matrices by the tool's dtypes, with llama.cpp's number of such a file (`llama_ftype`). */
const matrixTypes: Record<Dtype, { type: MatrixType; fileType: number }> = {
  fp32: { type: 'F32', fileType: 0 },
  fp16: { type: 'F16', fileType: 1 },
  int8: { type: 'Q8_0', fileType: 7 },
  q4: { type: 'Q4_0', fileType: 2 },
};

/**
 * How a recipe of that dtype is written for llama.cpp. Throws TokenworkError `unsupported-architecture` for a shape
 * that its graph of the architecture does not compute.
 */
export function ggufFormatOf(
  recipe: Recipe,
  dtype: Dtype,
): { architecture: string; type: MatrixType; interleaved: boolean } {
  const matrix = matrixTypes[dtype];
  const family = families[recipe.architecture];
  const problem = problemOf(recipe, family);
  if (problem !== null) {
    throw new TokenworkError(
      'unsupported-architecture',
      `${recipe.name} cannot be written as GGUF: llama.cpp's ${family.name} ${problem}.`,
      'Run it through the ONNX engine.',
    );
  }
  return { architecture: family.name, type: matrix.type, interleaved: family.interleaved ?? false };
}

/** What of the shape llama.cpp's graph of the architecture would compute otherwise, or not load. */
function problemOf(recipe: Recipe, family: Family): string | null {
  const { mixture } = recipe;
  const shared = (mixture?.sharedExpertSize ?? 0) > 0;
  if (recipe.qkNorm !== family.qkNorm) return `has other norms of queries and keys (${family.qkNorm})`;
  if ((mixture?.normaliseRouting ?? null) !== family.normaliseRouting)
    return family.normaliseRouting === null
      ? 'has no experts'
      : `${family.normaliseRouting ? 'scales' : 'does not scale'} the chosen experts’ weights to sum to 1`;
  if (shared !== (family.sharedExpert ?? false))
    return shared ? 'has no gated shared expert' : 'needs a shared expert';
  if ((recipe.outputBias || recipe.mlpBias) && !family.biases)
    return 'has no biases but those of queries, keys and values';
  if (recipe.heads * recipe.headDim !== recipe.hiddenSize && !family.freeHeads)
    return 'needs heads that are together as wide as the hidden size';
  if (recipe.tiedEmbeddings && !family.tiedEmbeddings) return 'needs an output head of its own';
  return null;
}

/** Metadata of a recipe's GGUF file. */
export function ggufMetadata(
  recipe: Recipe,
  dtype: Dtype,
  vocabulary: Vocabulary,
): Record<string, GgufField> {
  const { architecture } = ggufFormatOf(recipe, dtype);
  const own = Object.entries(shapeFields(recipe)).map(([key, field]) => [`${architecture}.${key}`, field]);
  return {
    'general.architecture': { string: architecture },
    'general.type': { string: 'model' },
    'general.name': { string: recipe.name },
    'general.file_type': { uint32: matrixTypes[dtype]!.fileType },
    'general.quantization_version': { uint32: 2 },
    ...Object.fromEntries(own),
    ...vocabularyFields(recipe, vocabulary),
  };
}

function shapeFields(recipe: Recipe): Record<string, GgufField> {
  const { mixture, ropeTheta, headDim, normEpsilon } = recipe;
  // Mixtral and OLMoE have experts and no width of their own for them.
  const width = mixture && /^(?:mixtral|olmoe)$/.test(recipe.architecture) ? mixture.expertSize : null;
  return {
    context_length: { uint32: recipe.contextLength },
    embedding_length: { uint32: recipe.hiddenSize },
    block_count: { uint32: recipe.layers },
    feed_forward_length: { uint32: width ?? recipe.intermediateSize },
    vocab_size: { uint32: recipe.vocabulary },
    'attention.head_count': { uint32: recipe.heads },
    'attention.head_count_kv': { uint32: recipe.kvHeads },
    'attention.key_length': { uint32: headDim },
    'attention.value_length': { uint32: headDim },
    ...(ropeTheta === null
      ? { 'attention.layer_norm_epsilon': { float32: normEpsilon } }
      : {
          'attention.layer_norm_rms_epsilon': { float32: normEpsilon },
          'rope.dimension_count': { uint32: headDim },
          'rope.freq_base': { float32: ropeTheta },
        }),
    ...(mixture && {
      expert_count: { uint32: mixture.experts },
      expert_used_count: { uint32: mixture.expertsPerToken },
      ...(width === null && { expert_feed_forward_length: { uint32: mixture.expertSize } }),
      ...(mixture.sharedExpertSize > 0 && {
        expert_shared_feed_forward_length: { uint32: mixture.sharedExpertSize },
      }),
    }),
  };
}

/** Kinds of tokens as llama.cpp numbers them. */
const tokenType = { normal: 1, control: 3 } as const;

/** The vocabulary of the folder's tokenizer.json: byte-level BPE that splits words as GPT-2 does, with no start of its own. */
function vocabularyFields(
  recipe: Recipe,
  { tokens, merges, special }: Vocabulary,
): Record<string, GgufField> {
  const control = new Set(special.map(({ id }) => id));
  return {
    'tokenizer.ggml.model': { string: 'gpt2' },
    'tokenizer.ggml.pre': { string: 'gpt-2' },
    'tokenizer.ggml.tokens': { strings: tokens },
    'tokenizer.ggml.token_type': {
      int32s: tokens.map((_, id) => (control.has(id) ? tokenType.control : tokenType.normal)),
    },
    'tokenizer.ggml.merges': { strings: merges.map((pair) => pair.join(' ')) },
    ...(recipe.bosTokenId !== null && { 'tokenizer.ggml.bos_token_id': { uint32: recipe.bosTokenId } }),
    'tokenizer.ggml.eos_token_id': { uint32: recipe.eosTokenIds[0]! },
    'tokenizer.ggml.padding_token_id': { uint32: recipe.eosTokenIds[0]! },
    'tokenizer.ggml.add_bos_token': { bool: false },
  };
}
