/** BERT in GGUF, with the weights that a recipe has in ONNX (fp16). Imported by tests only. */
import { writeFileSync } from 'node:fs';
import { writeEncoder } from '../build/encoder/graph.js';
import { storedHalves, transposedHalves } from '../build/gguf/rows.js';
import { elementType, type TensorSpec } from '../build/tensor.js';
import { synthesiseVocabulary, type Vocabulary } from '../build/vocabulary.js';
import type { EncoderRecipe } from '../encoder/recipe.js';
import { widenHalf } from '../half.js';
import { type GgufField, type GgufSource, ggufFile } from './write.js';

/** Training one takes longer than all the rest, and tests write files of one recipe. */
let vocabulary: Vocabulary | undefined;

/** Names as llama.cpp's conversion gives them, by those of the graph. */
const names: [RegExp, string][] = [
  [/^embeddings\.word_embeddings/, 'token_embd'],
  [/^embeddings\.position_embeddings/, 'position_embd'],
  [/^embeddings\.token_type_embeddings/, 'token_types'],
  [/^embeddings\.LayerNorm/, 'token_embd_norm'],
  [/^encoder\.layer\.(\d+)\.attention\.self\.query/, 'blk.$1.attn_q'],
  [/^encoder\.layer\.(\d+)\.attention\.self\.key/, 'blk.$1.attn_k'],
  [/^encoder\.layer\.(\d+)\.attention\.self\.value/, 'blk.$1.attn_v'],
  [/^encoder\.layer\.(\d+)\.attention\.output\.dense/, 'blk.$1.attn_output'],
  [/^encoder\.layer\.(\d+)\.attention\.output\.LayerNorm/, 'blk.$1.attn_output_norm'],
  [/^encoder\.layer\.(\d+)\.intermediate\.dense/, 'blk.$1.ffn_up'],
  [/^encoder\.layer\.(\d+)\.output\.dense/, 'blk.$1.ffn_down'],
  [/^encoder\.layer\.(\d+)\.output\.LayerNorm/, 'blk.$1.layer_output_norm'],
];

export function writeEncoderGguf(
  path: string,
  recipe: EncoderRecipe,
  fields: Record<string, GgufField> = {},
  seed = 1,
): string {
  const { tensors } = writeEncoder(recipe, { dtype: 'fp16', head: { kind: 'embedding' } });
  const weights = tensors.filter(
    ({ dataType, fill }) => dataType === elementType.float16 && fill.kind === 'uniform',
  );
  const sources = weights.map((tensor) => sourceOf(tensor, seed));
  const file = ggufFile({ ...metadataOf(recipe), ...fields }, sources);
  writeFileSync(path, Buffer.concat([...file].map((chunk) => Buffer.from(chunk))));
  return path;
}

/** All rows of a tensor, slowest dimension first. */
const wholeOf = (dims: readonly number[]) => ({ from: 0, to: dims.length === 1 ? 1 : dims[0]! });

function sourceOf(tensor: TensorSpec, seed: number): GgufSource {
  const [pattern, replacement] = names.find(([known]) => known.test(tensor.name))!;
  const name = tensor.name.replace(pattern, replacement);
  const isTable = tensor.name.startsWith('embeddings.');
  if (tensor.dims.length === 1 || (isTable && !name.startsWith('token_embd')))
    return {
      ...{ name, shape: tensor.dims.toReversed(), type: 'F32' },
      chunks: function* () {
        for (const halves of storedHalves(tensor, seed, wholeOf(tensor.dims))) {
          const floats = new Float32Array(halves.length);
          widenHalf(halves, floats);
          yield new Uint8Array(floats.buffer);
        }
      },
    };
  // The graph has its matrices as [inputs, outputs], and its tables as rows.
  const shape = isTable ? tensor.dims.toReversed() : tensor.dims;
  const halves = () =>
    isTable
      ? storedHalves(tensor, seed, wholeOf(tensor.dims))
      : transposedHalves(tensor, seed, (row) => row, wholeOf(tensor.dims.toReversed()));
  return {
    ...{ name, shape, type: 'F16' },
    chunks: function* () {
      for (const chunk of halves())
        yield new Uint8Array(chunk.buffer.slice(chunk.byteOffset, chunk.byteOffset + chunk.byteLength));
    },
  };
}

function metadataOf(recipe: EncoderRecipe): Record<string, GgufField> {
  const special = [
    { id: recipe.padTokenId, content: '[PAD]' },
    { id: recipe.clsTokenId, content: '[CLS]' },
    { id: recipe.sepTokenId, content: '[SEP]' },
  ];
  vocabulary ??= synthesiseVocabulary(recipe.vocabulary, special);
  const { tokens, merges } = vocabulary;
  const control = new Set(special.map(({ id }) => id));
  return {
    'general.architecture': { string: 'bert' },
    'general.type': { string: 'model' },
    'general.name': { string: recipe.name },
    'bert.context_length': { uint32: recipe.contextLength },
    'bert.embedding_length': { uint32: recipe.hiddenSize },
    'bert.block_count': { uint32: recipe.layers },
    'bert.feed_forward_length': { uint32: recipe.intermediateSize },
    'bert.attention.head_count': { uint32: recipe.heads },
    'bert.attention.layer_norm_epsilon': { float32: recipe.normEpsilon },
    'bert.attention.causal': { bool: false },
    'bert.pooling_type': { uint32: 1 },
    'tokenizer.ggml.model': { string: 'gpt2' },
    'tokenizer.ggml.pre': { string: 'gpt-2' },
    'tokenizer.ggml.tokens': { strings: tokens },
    'tokenizer.ggml.token_type': { int32s: tokens.map((_, id) => (control.has(id) ? 3 : 1)) },
    'tokenizer.ggml.token_type_count': { uint32: recipe.tokenTypes },
    'tokenizer.ggml.merges': { strings: merges.map((pair) => pair.join(' ')) },
    'tokenizer.ggml.bos_token_id': { uint32: recipe.clsTokenId },
    'tokenizer.ggml.eos_token_id': { uint32: recipe.sepTokenId },
    'tokenizer.ggml.padding_token_id': { uint32: recipe.padTokenId },
    'tokenizer.ggml.add_bos_token': { bool: true },
    'tokenizer.ggml.add_eos_token': { bool: true },
  };
}
