/**
 * models/build/ writes a model folder from a recipe: the ONNX decoder with seeded random weights, its
 * configuration and a tokenizer of its vocabulary, cached by content.
 */
import type { Dtype } from '../dtype.js';
import type { Recipe } from '../recipe.js';
import { attention, attentionInputs } from './attention.js';
import { gatedFeedForward, geluFeedForward } from './feed-forward.js';
import { contrib, GraphBuilder } from './graph-builder.js';
import { type GraphVariant, requireGraphVariant } from './graph-variant.js';
import { linear, quantisedBits, type Writer } from './linear.js';
import { mixtureOfExperts } from './mixture.js';
import { normalise, type Stream } from './norm.js';
import { elementType, floatTypeOf } from './tensor.js';

/** The standard opset each graph variant is written in; Attention and its kin came with 23. */
const opsetOf: Record<GraphVariant, number> = { contrib: 21, standard: 23, primitive: 23 };

/**
 * Writes the whole decoder: int64 input_ids [batch, new], attention_mask [batch, past + new] and a KV
 * cache [batch, kvHeads, past, headDim] per layer in; fp32 logits [batch, new, vocabulary] and the grown
 * cache out. position_ids is an input where nothing in the graph derives positions: for learned ones,
 * and in every graph variant but contrib. A recipe with logits on demand has a scalar num_logits_to_keep as well, and
 * logits of so many last positions; 0 stands for all. With `keepsEarly` the last layer's feed-forward leaves out the
 * others too, as llama.cpp's graphs do. Throws TokenworkError `graph-variant-unsupported`.
 */
export function writeDecoder(
  recipe: Recipe,
  options: { dtype: Dtype; graphVariant: GraphVariant; keepsEarly?: boolean },
): GraphBuilder {
  requireGraphVariant(recipe, options.graphVariant);
  const graph = new GraphBuilder();
  const writer: Writer = { graph, recipe, ...options };
  const ids = graph.input('input_ids', elementType.int64, ['batch_size', 'sequence_length']);
  const mask = graph.input('attention_mask', elementType.int64, ['batch_size', 'total_sequence_length']);
  const positions =
    recipe.ropeTheta === null || options.graphVariant !== 'contrib'
      ? graph.input('position_ids', elementType.int64, ['batch_size', 'sequence_length'])
      : '';
  const onDemand = recipe.logits === 'on-demand';
  const toKeep = onDemand ? graph.input('num_logits_to_keep', elementType.int64, []) : '';
  graph.output('logits', elementType.float, [
    'batch_size',
    onDemand ? 'logits_length' : 'sequence_length',
    recipe.vocabulary,
  ]);

  const keepsEarly = onDemand && options.keepsEarly;
  const shared = attentionInputs(writer, mask, positions);
  let stream: Stream = { residual: embed(writer, ids, positions), branch: null };
  for (let layer = 0; layer < recipe.layers; layer++) {
    const module = `model.layers.${layer}`;
    const before = normalise(writer, `${module}.input_layernorm`, stream);
    stream = {
      residual: before.residual,
      branch: attention(writer, layer, before.normed, shared),
    };
    if (keepsEarly && layer === recipe.layers - 1) stream = keptOf(graph, stream, toKeep);
    const between = normalise(writer, `${module}.post_attention_layernorm`, stream);
    stream = {
      residual: between.residual,
      branch: feedForward(writer, layer, between.normed),
    };
  }
  const { normed } = normalise(writer, 'model.norm', stream);
  const kept = onDemand && !keepsEarly ? lastPositions(graph, normed, toKeep, 'logits_to_keep') : normed;
  writeHead(writer, kept, ids);
  return graph;
}

function keptOf(graph: GraphBuilder, { residual, branch }: Stream, count: string): Stream {
  return {
    residual: lastPositions(graph, residual, count, 'residual_to_keep'),
    branch: branch && lastPositions(graph, branch, count, 'branch_to_keep'),
  };
}

/** The last `count` positions of [batch, new, hidden]. */
export function lastPositions(graph: GraphBuilder, hidden: string, count: string, name: string): string {
  const axis = graph.constant(`${name}.axis`, [1]);
  const end = graph.constant(`${name}.end`, [2 ** 31 - 1]);
  const from = graph.node('Neg', `/${name}/Neg`, [count]);
  const start = graph.node('Reshape', `/${name}/Reshape`, [from, axis]);
  return graph.node('Slice', `/${name}/Slice`, [hidden, start, end, axis]);
}

function embed({ graph, recipe, dtype }: Writer, ids: string, positions: string): string {
  const { vocabulary, hiddenSize, contextLength, ropeTheta } = recipe;
  const type = floatTypeOf(dtype);
  // A tied table is the head's weight too, so it is scaled as that; the first norm undoes it.
  const limit = Math.sqrt(3 / (recipe.tiedEmbeddings ? hiddenSize : 1));
  const fill = { kind: 'uniform', low: -limit, high: limit } as const;
  const table = graph.tensor('model.embed_tokens.weight', [vocabulary, hiddenSize], type, fill);
  const embedded = graph.node('Gather', '/model/embed_tokens/Gather', [table, ids]);
  if (ropeTheta !== null) return embedded;
  const positionTable = graph.tensor('model.embed_positions.weight', [contextLength, hiddenSize], type, fill);
  const position = graph.node('Gather', '/model/embed_positions/Gather', [positionTable, positions]);
  return graph.node('Add', '/model/embed/Add', [embedded, position]);
}

function feedForward(writer: Writer, layer: number, input: string): string {
  const { recipe } = writer;
  const module = `model.layers.${layer}.mlp`;
  if (recipe.mixture) return mixtureOfExperts(writer, layer, input, recipe.mixture);
  if (recipe.architecture === 'gpt2') return geluFeedForward(writer, module, input);
  return gatedFeedForward(writer, module, input, recipe.intermediateSize);
}

function writeHead(writer: Writer, input: string, ids: string): void {
  const { graph, recipe, dtype } = writer;
  const { hiddenSize, vocabulary, tiedEmbeddings } = recipe;
  // Half-precision logits are cast, so that readers meet one type.
  const output = dtype === 'fp16' ? 'lm_head/logits' : 'logits';
  // Quantised exports keep the embedding table in float and quantise the head apart, tied or not.
  if (tiedEmbeddings && quantisedBits(dtype) === null) tiedHead(writer, input, ids, output);
  else linear(writer, { module: 'lm_head', input, inputSize: hiddenSize, outputSize: vocabulary, output });
  if (output === 'logits') return;
  graph.node('Cast', '/lm_head/Cast', [output], {
    attributes: { to: { int: elementType.float } },
    outputs: ['logits'],
  });
}

/** Gemm reads the embedding table transposed, so the weights exist once in the file. */
function tiedHead({ graph, recipe }: Writer, input: string, ids: string, output: string): void {
  const rows = graph.node('Reshape', '/lm_head/Reshape_1', [
    input,
    graph.constant('lm_head.rows_shape', [-1, recipe.hiddenSize]),
  ]);
  const product = graph.node('Gemm', '/lm_head/Gemm', [rows, 'model.embed_tokens.weight'], {
    attributes: { transB: { int: 1 } },
  });
  const vocabulary = graph.constant('lm_head.vocabulary', [recipe.vocabulary]);
  const leading =
    recipe.logits === 'on-demand'
      ? graph.node('Shape', '/lm_head/Shape', [input], { attributes: { end: { int: 2 } } })
      : graph.node('Shape', '/lm_head/Shape', [ids]);
  const shape = graph.node('Concat', '/lm_head/Concat', [leading, vocabulary], {
    attributes: { axis: { int: 0 } },
  });
  graph.node('Reshape', '/lm_head/Reshape_2', [product, shape], { outputs: [output] });
}

/** Domains and versions a graph of that graph variant imports. */
export function opsetImports(graphVariant: GraphVariant): { domain: string; version: number }[] {
  return [
    { domain: '', version: opsetOf[graphVariant] },
    { domain: contrib, version: 1 },
  ];
}
