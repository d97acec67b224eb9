/**
 * Mutated files of every kind that describes a model: whatever they hold, they are read, or refused with an
 * error of the project's own, within the budget of an analysis.
 */
import fc from 'fast-check';
import { messageOf, TokenworkError } from '../core/errors.js';
import { type Mutation, mutations, type Place, placesIn } from '../mutations.test-support.js';
import { buildGraph } from './build/build-graph.js';
import { buildCountedGraph } from './build/counted-decoder.js';
import { countGraph } from './cost/count-graph.js';
import { countDecoder, deriveCost, deriveEncoderCost } from './cost/derive-cost.js';
import { countParameters } from './cost/parameters.js';
import { floats, info, ints, model, node, weight } from './cost/test-graph.test-support.js';
import { countedShapeOf } from './counted-config.js';
import { describeDecoder } from './decoder-graph.js';
import { describeEncoder } from './encoder/graph.js';
import { recipeFromConfig } from './hf-config.js';
import { decodeModel, encodeModel, type ModelProto } from './onnx/proto.js';
import { parseModel } from './onnx/read-model.js';
import { loadRecipe, parameterCount, recipeSchema } from './recipe.js';

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
const decoder = buildGraph(recipe, { dtype: 'q4', graphVariant: 'contrib', seed: 1, weights: false });
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

/** Each kind of input, and what is done with a mutated one. */
export const kinds: [name: string, trial: (list: readonly Mutation[]) => void][] = [
  ['bytes of a graph', (list) => accepted(() => analyse(mutatedBytes(encodeModel(net), list)))],
  ['bytes of a decoder', (list) => accepted(() => analyse(mutatedBytes(encodeModel(decoder), list)))],
  ['a graph', (list) => accepted(() => analyse(encodeModel(mutatedValue(net, list, false))))],
  [
    'a decoder',
    (list) =>
      accepted(() => analyse(encodeModel(mutatedValue(decodeModel(encodeModel(decoder)), list, false)))),
  ],
  ['config.json', (list) => analyseConfig(mutatedValue(llama, list, true))],
  ['config.json of a counted decoder', (list) => analyseConfig(mutatedValue(deepseek, list, true))],
  [
    'a recipe',
    (list) => {
      const parsed = recipeSchema.safeParse(mutatedValue(recipe, list, true));
      if (parsed.success) accepted(() => parameterCount(parsed.data));
    },
  ],
];

export function tryMutations(trial: (list: readonly Mutation[]) => void, runs: number): void {
  fc.assert(fc.property(mutations, trial), { numRuns: runs, seed: 42 });
}
