/**
 * Mutated files of every kind that describes a model: whatever they hold, they are read, or refused with an
 * error of the project's own, within the budget of an analysis.
 */
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, TokenworkError } from '../core/errors.js';
import { type Kind, kind, type Mutation, type Place, placesIn } from '../mutations.test-support.js';
import { buildGraph } from './build/build-graph.js';
import { buildCountedGraph } from './build/counted-decoder.js';
import { smallRecipes } from './build/shapes.test-support.js';
import { countGraph } from './cost/count-graph.js';
import { countDecoder, deriveCost, deriveEncoderCost } from './cost/derive-cost.js';
import { countParameters } from './cost/parameters.js';
import { floats, info, ints, model, node, weight } from './cost/test-graph.test-support.js';
import { countedShapeOf } from './counted-config.js';
import { describeDecoder } from './decoder-graph.js';
import { describeEncoder } from './encoder/graph.js';
import { describeGguf } from './gguf/describe.js';
import { llamaFields, llamaTensors, writeGguf } from './gguf/gguf-file.test-support.js';
import { recipeFromConfig } from './hf-config.js';
import { decodeModel, encodeModel, type ModelProto } from './onnx/proto.js';
import { parseModel } from './onnx/read-model.js';
import { loadRecipe, parameterCount, recipeSchema } from './recipe.js';
import { loadTokenizer } from './tokenizer.js';

const nastyNumbers = [-1, 0, 1, 2, 3, 7, 2 ** 31, 2 ** 53, -(2 ** 53), 1e308, 0.5];
const nastyTexts = [
  '',
  '__proto__',
  'constructor',
  'toString',
  'x',
  'y',
  'If',
  'Loop',
  'NaN',
  '\u001b[2J',
  '…'.repeat(99),
];

/** Bytes flipped, cut out, doubled, and numbers blown up. */
function mutatedBytes(bytes: Uint8Array, list: readonly Mutation[]): Uint8Array {
  let result = [...bytes];
  for (const { at, what, choice } of list) {
    const place = Math.floor(at * result.length);
    if (what === 0) result[place] = choice % 256;
    else if (what === 1) result.splice(place, choice % 40);
    else if (what === 2) result.splice(place, 0, ...result.slice(place, place + (choice % 60)));
    else if (what === 3) result.splice(place, 1, 0xff, 0xff, 0xff, 0xff, 0x07);
    else if (what === 4) result = result.slice(0, Math.max(1, place));
    else result[place] = (result[place] ?? 0) ^ (1 << (choice % 8));
  }
  return Uint8Array.from(result);
}

/** A deep copy in which values are replaced by others of their type, or, with `loose`, of any. */
function mutatedValue<Type>(value: Type, list: readonly Mutation[], loose: boolean): Type {
  const copy = structuredClone(value);
  for (const { at, what, choice } of list) {
    const places = placesIn(copy);
    const place = places[Math.floor(at * places.length)];
    if (place) mutate(place, what, choice, loose);
  }
  return copy;
}

function mutate({ of, key }: Place, what: number, choice: number, loose: boolean): void {
  const table = of as Record<string | number, unknown>;
  const value = table[key];
  const number = nastyNumbers[choice % nastyNumbers.length]!;
  const text = nastyTexts[choice % nastyTexts.length]!;
  if (loose && what > 2) table[key] = [number, text, null, [], {}, Number.NaN, true][choice % 7];
  else if (what === 2 && Array.isArray(of)) of.splice(Number(key), 1);
  else if (what === 1 && Array.isArray(of)) of.push(structuredClone(of[choice % of.length]));
  else if (typeof value === 'number') table[key] = number;
  else if (typeof value === 'string') table[key] = text;
  else if (what === 5 && Array.isArray(value)) value.reverse();
}

const branch = (product: string) => ({
  name: 'branch',
  node: [node('MatMul', ['h', product], `${product}_out`)],
  output: [info(`${product}_out`, null)],
});
const body = {
  name: 'body',
  node: [node('Concat', ['s', 'x'], 'grown', { attributes: { axis: 0 } }), node('Identity', ['goes'], 'on')],
  input: [info('i', [], 7), info('goes', [], 9), info('s', null)],
  output: [info('on', [], 9), info('grown', null)],
};

/** A graph with most of what rules look at. */
const net: ModelProto = {
  ...model({
    node: [
      node('Conv', ['image', 'kernel', 'bias'], 'c', { attributes: { strides: [2, 2], pads: [1, 1, 1, 1] } }),
      node('Resize', ['c', '', 'scales'], 'r', { attributes: { mode: 'linear' } }),
      node('Reshape', ['r', 'shape'], 'f'),
      node('MatMul', ['x', 'w'], 'h'),
      node('Softmax', ['h'], 'p', { attributes: { axis: -1 } }),
      node('If', ['cond'], 'q', {
        attributes: { then_branch: { graph: branch('w') }, else_branch: { graph: branch('v') } },
      }),
      node('Loop', ['trips', '', 'x'], 'l', { attributes: { body: { graph: body } } }),
      node('Slice', ['l', 'from', 'to'], 'sliced'),
      node('Einsum', ['sliced', 'w'], 'e', { attributes: { equation: 'ij,jk->ik' } }),
      node('Split', ['e'], 'e0', { attributes: { axis: 1 }, outputs: ['e0', 'e1'] }),
      node('Twice', ['e1'], 't', { domain: 'local' }),
      node('LSTM', ['sequence', 'lw', 'lr'], 'y', { attributes: { hidden_size: 2 } }),
      node('TopK', ['p', 'trips'], 'k', { outputs: ['k', 'ki'] }),
      node('Pad', ['k', 'pads'], 'padded'),
      node('Attention', ['qkv', 'qkv', 'qkv'], 'att', {
        attributes: { q_num_heads: 2, kv_num_heads: 2, is_causal: 1 },
      }),
    ],
    initializer: [
      weight('kernel', [4, 3, 3, 3]),
      weight('bias', [4]),
      floats('scales', [1, 1, 2, 2]),
      ints('shape', [0, -1]),
      weight('w', [4, 4]),
      weight('v', [4, 4]),
      ints('trips', [3], true),
      ints('from', [0]),
      ints('to', [2]),
      ints('pads', [0, 1, 0, 1]),
      weight('lw', [1, 8, 3]),
      weight('lr', [1, 8, 2]),
    ],
    input: [
      info('image', [1, 3, 8, 8]),
      info('x', [2, 4]),
      info('cond', [], 9),
      info('sequence', [5, 1, 3]),
      info('qkv', [1, 3, 8]),
    ],
    output: [info('y', null), info('padded', null), info('t', null), info('att', null)],
    valueInfo: [info('e', ['n', 4])],
  }),
  functions: [
    {
      name: 'Twice',
      domain: 'local',
      input: ['a'],
      output: ['c'],
      node: [node('Relu', ['a'], 'b'), node('Relu', ['b'], 'c')],
    },
  ],
};

const recipe = { ...(await loadRecipe('tiny')), layers: 1 };
const built = buildGraph(recipe, { dtype: 'q4', graphVariant: 'contrib', seed: 1, weights: false });
/** As a file would be read. */
const decoder = decodeModel(encodeModel(built));
const decoderBytes = encodeModel(built);
const netBytes = encodeModel(net);
const llama = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 96,
  vocab_size: 300,
  max_position_embeddings: 128,
  sliding_window: 32,
  layer_types: ['full_attention', 'sliding_attention'],
  eos_token_id: [2, 3],
  bos_token_id: 1,
};
const deepseek = {
  architectures: ['DeepseekV3ForCausalLM'],
  model_type: 'deepseek_v3',
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  q_lora_rank: 8,
  kv_lora_rank: 8,
  qk_nope_head_dim: 4,
  qk_rope_head_dim: 4,
  v_head_dim: 4,
  intermediate_size: 64,
  moe_intermediate_size: 16,
  n_routed_experts: 4,
  n_shared_experts: 1,
  num_experts_per_tok: 2,
  first_k_dense_replace: 1,
  vocab_size: 300,
};

function analyse(bytes: Uint8Array): void {
  const parsed = parseModel(bytes, 'mutated.onnx');
  for (const analysis of [
    () => countGraph(parsed, {}),
    () => countParameters(parsed),
    () => deriveCost(parsed, describeDecoder(parsed)),
    () => deriveEncoderCost(parsed, describeEncoder(parsed)),
  ])
    accepted(analysis);
}

function analyseConfig(config: unknown): void {
  accepted(() => {
    const shape = countedShapeOf(config as Record<string, unknown>, 'mutated');
    if (shape && shape.layers.length < 8) {
      const graph = buildCountedGraph('mutated', shape, 'fp16');
      countDecoder(graph, describeDecoder(graph), { batch: 1, newTokens: 2, pastTokens: 3 });
    }
  });
  accepted(() => parameterCount(recipeFromConfig(config, 'mutated')));
}

/** Runs `analysis`; an error that is not the project's own is a fault. */
function accepted(analysis: () => unknown): void {
  try {
    analysis();
  } catch (thrown) {
    if (thrown instanceof TokenworkError) return;
    throw new Error(`not of the project's own: ${messageOf(thrown)}`, { cause: thrown });
  }
}

const vocabulary = { '<s>': 0, '</s>': 1, '<unk>': 2, a: 3, b: 4, ab: 5, Ġ: 6, Ġa: 7 };
const added = (id: number, content: string) => ({
  ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
});
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
const bytePairs = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: [added(0, '<s>'), added(1, '</s>'), added(2, '<unk>')],
  normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Prepend', prepend: ' ' }] },
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: '\\s+|[ab]+' }, behavior: 'Isolated', invert: false },
      byteLevel,
    ],
  },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] } },
  },
  decoder: byteLevel,
  model: {
    ...{ type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null },
    ...{ end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: false },
    ...{ vocab: vocabulary, merges: ['a b', 'Ġ a'] },
  },
};
const tokenizers = [
  bytePairs,
  {
    ...bytePairs,
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
    decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
    model: {
      ...{ type: 'Unigram', unk_id: 2, byte_fallback: false },
      vocab: Object.keys(vocabulary).map((token, id) => [token, -id]),
    },
  },
  {
    ...bytePairs,
    normalizer: { type: 'BertNormalizer', clean_text: true, lowercase: true, strip_accents: null },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      ...{ type: 'WordPiece', unk_token: '<unk>', max_input_chars_per_word: 100 },
      ...{ continuing_subword_prefix: '##', vocab: vocabulary },
    },
  },
];
const tokenizerConfig = { add_bos_token: true, bos_token: '<s>', eos_token: '</s>', model_max_length: 64 };

async function tokenize(list: readonly Mutation[], folder: string): Promise<void> {
  const which = list[0]!.choice % tokenizers.length;
  const [json, config] = mutatedValue([tokenizers[which], tokenizerConfig] as unknown[], list, true);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(json) ?? '');
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config) ?? '');
  const tokenizer = await loadTokenizer(folder);
  tokenizer.decode(tokenizer.encode('ab aé\u0000 <s> b'));
}

const ggufRecipe = { ...smallRecipes.llama, layers: 1 };
let gguf: { header: Buffer; length: number } | null = null;

/** Its header is mutated, of which all that is drawn comes; its tensors are a hole in the file. */
async function describeMutatedGguf(list: readonly Mutation[], path: string): Promise<void> {
  if (gguf === null) {
    writeGguf(path, llamaFields(ggufRecipe), llamaTensors(ggufRecipe, 'F16'), []);
    const bytes = readFileSync(path);
    gguf = { header: bytes.subarray(0, bytes.findLastIndex((byte) => byte !== 0) + 1), length: bytes.length };
  }
  writeFileSync(path, mutatedBytes(gguf.header, list));
  truncateSync(path, gguf.length);
  await describeGguf(path);
}

/** Each kind of input, and what is done with a mutated one. */
export const kinds: Kind[] = [
  kind('bytes of a graph', (list) => analyse(mutatedBytes(netBytes, list))),
  kind('bytes of a decoder', (list) => analyse(mutatedBytes(decoderBytes, list))),
  kind('a graph', (list) => analyse(encodeModel(mutatedValue(net, list, false)))),
  kind('a decoder', (list) => analyse(encodeModel(mutatedValue(decoder, list, false)))),
  kind('a GGUF model', describeMutatedGguf),
  kind('a tokenizer', tokenize),
  kind('config.json', (list) => analyseConfig(mutatedValue(llama, list, true))),
  kind('config.json of a counted decoder', (list) => analyseConfig(mutatedValue(deepseek, list, true))),
  kind('a recipe', (list) => {
    const parsed = recipeSchema.safeParse(mutatedValue(recipe, list, true));
    if (parsed.success) parameterCount(parsed.data);
  }),
];
