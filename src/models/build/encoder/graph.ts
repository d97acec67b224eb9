import type { Dtype } from '../../dtype.js';
import type { EncoderHead, EncoderRecipe } from '../../encoder/recipe.js';
import { halfBits } from '../../half.js';
import { GraphBuilder } from '../graph-builder.js';
import { linear, pathOf, uniformFor, type WeightWriter } from '../linear.js';
import { gainsOf } from '../norm.js';
import { elementType, floatTypeOf } from '../tensor.js';

/** Added to the scores of padding, as BERT itself does; exp of it is 0 in any dtype. */
const maskedScore = -10_000;

interface EncoderWriter extends WeightWriter {
  recipe: EncoderRecipe;
}

/**
 * Writes a whole BERT in the ONNX standard's primitives, as published exports have it: int64 input_ids,
 * attention_mask and token_type_ids [batch, sequence] in; out come fp32 last_hidden_state
 * [batch, sequence, hidden], or with a classifier logits [batch, labels], drawn from the first position.
 */
export function writeEncoder(
  recipe: EncoderRecipe,
  { dtype, head }: { dtype: Dtype; head: EncoderHead },
): GraphBuilder {
  const graph = new GraphBuilder();
  const writer: EncoderWriter = { graph, recipe, dtype };
  const shape = ['batch_size', 'sequence_length'];
  const ids = graph.input('input_ids', elementType.int64, shape);
  const mask = graph.input('attention_mask', elementType.int64, shape);
  const types = graph.input('token_type_ids', elementType.int64, shape);
  const scores = paddingScores(writer, mask);
  let hidden = embed(writer, ids, types);
  for (let layer = 0; layer < recipe.layers; layer++) {
    const module = `encoder.layer.${layer}`;
    const attended = attention(writer, `${module}.attention`, hidden, scores);
    hidden = addAndNorm(writer, `${module}.attention.output`, hidden, attended);
    hidden = addAndNorm(writer, `${module}.output`, hidden, feedForward(writer, module, hidden));
  }
  if (head.kind === 'embedding') {
    finish(writer, hidden, 'last_hidden_state', [...shape, recipe.hiddenSize]);
  } else {
    const logits = classify(writer, hidden, head.labels);
    finish(writer, logits, 'logits', ['batch_size', head.labels]);
  }
  return graph;
}

function embed(writer: EncoderWriter, ids: string, types: string): string {
  const { graph, recipe, dtype } = writer;
  const { hiddenSize, vocabulary, contextLength, tokenTypes } = recipe;
  const table = (name: string, rows: number) =>
    graph.tensor(
      `embeddings.${name}_embeddings.weight`,
      [rows, hiddenSize],
      floatTypeOf(dtype),
      uniformFor(1),
    );
  const words = graph.node('Gather', '/embeddings/words/Gather', [table('word', vocabulary), ids]);
  const segments = graph.node('Gather', '/embeddings/types/Gather', [table('token_type', tokenTypes), types]);
  const length = graph.node('Shape', '/embeddings/Shape', [ids], {
    attributes: { start: { int: 1 }, end: { int: 2 } },
  });
  const first = graph.constant('embeddings.first_position', [0]);
  const positions = graph.node('Slice', '/embeddings/positions/Slice', [
    table('position', contextLength),
    first,
    length,
    first,
  ]);
  const typed = graph.node('Add', '/embeddings/Add', [words, segments]);
  return addAndNorm(writer, 'embeddings', typed, positions);
}

/** [batch, 1, 1, sequence]: 0 where a position counts, `maskedScore` where it is padding. */
function paddingScores({ graph, dtype }: EncoderWriter, mask: string): string {
  const type = floatTypeOf(dtype);
  const valid = graph.node('Cast', '/mask/Cast', [mask], { attributes: { to: { int: type } } });
  const padding = graph.node('Sub', '/mask/Sub', [scalar(graph, dtype, 'mask.one', 1), valid]);
  const scores = graph.node('Mul', '/mask/Mul', [padding, scalar(graph, dtype, 'mask.score', maskedScore)]);
  return graph.node('Unsqueeze', '/mask/Unsqueeze', [scores, graph.constant('mask.axes', [1, 2])]);
}

/** Full self-attention with its output projection: [batch, sequence, hidden] to the same. */
function attention(writer: EncoderWriter, module: string, input: string, scores: string): string {
  const { graph, recipe, dtype } = writer;
  const { hiddenSize, heads } = recipe;
  const headDim = hiddenSize / heads;
  const path = pathOf(module);
  const split = graph.constant(`${module}.split_shape`, [0, 0, heads, headDim]);
  const part = (name: 'query' | 'key' | 'value', order: number[]) => {
    const projected = linear(writer, {
      module: `${module}.self.${name}`,
      input,
      inputSize: hiddenSize,
      outputSize: hiddenSize,
      bias: true,
    });
    const perHead = graph.node('Reshape', `${path}/${name}/Reshape`, [projected, split]);
    return graph.node('Transpose', `${path}/${name}/Transpose`, [perHead], {
      attributes: { perm: { ints: order } },
    });
  };
  const [query, key, value] = [
    part('query', [0, 2, 1, 3]),
    part('key', [0, 2, 3, 1]),
    part('value', [0, 2, 1, 3]),
  ];
  const scale = scalar(graph, dtype, `${module}.scale`, 1 / Math.sqrt(headDim));
  const scaled = graph.node('Mul', `${path}/Mul`, [query, scale]);
  const products = graph.node('MatMul', `${path}/scores/MatMul`, [scaled, key]);
  const masked = graph.node('Add', `${path}/scores/Add`, [products, scores]);
  const weights = graph.node('Softmax', `${path}/Softmax`, [masked], { attributes: { axis: { int: -1 } } });
  const mixed = graph.node('MatMul', `${path}/MatMul`, [weights, value]);
  const perPosition = graph.node('Transpose', `${path}/Transpose`, [mixed], {
    attributes: { perm: { ints: [0, 2, 1, 3] } },
  });
  const joined = graph.node('Reshape', `${path}/Reshape`, [
    perPosition,
    graph.constant(`${module}.joined_shape`, [0, 0, hiddenSize]),
  ]);
  return dense(writer, `${module}.output.dense`, joined, hiddenSize, hiddenSize);
}

function feedForward(writer: EncoderWriter, module: string, input: string): string {
  const { hiddenSize, intermediateSize } = writer.recipe;
  const inner = dense(writer, `${module}.intermediate.dense`, input, hiddenSize, intermediateSize);
  const activated = writer.graph.node('Gelu', `${pathOf(module)}/intermediate/Gelu`, [inner]);
  return dense(writer, `${module}.output.dense`, activated, intermediateSize, hiddenSize);
}

/** BERT's norm stands after the residual sum. */
function addAndNorm(writer: EncoderWriter, module: string, residual: string, branch: string): string {
  const { graph, recipe } = writer;
  const path = pathOf(module);
  const sum = graph.node('Add', `${path}/residual/Add`, [residual, branch]);
  const gains = gainsOf(writer, `${module}.LayerNorm`, recipe.hiddenSize, true);
  return graph.node('LayerNormalization', `${path}/LayerNormalization`, [sum, ...gains], {
    attributes: { axis: { int: -1 }, epsilon: { float: recipe.normEpsilon } },
  });
}

/** The first position through BERT's pooler, a dense layer with tanh, and the classifier. */
function classify(writer: EncoderWriter, hidden: string, labels: number): string {
  const { graph, recipe } = writer;
  const first = graph.node('Gather', '/pooler/Gather', [hidden, graph.constant('pooler.first', 0)], {
    attributes: { axis: { int: 1 } },
  });
  const pooled = dense(writer, 'pooler.dense', first, recipe.hiddenSize, recipe.hiddenSize);
  const activated = graph.node('Tanh', '/pooler/Tanh', [pooled]);
  return linear(writer, {
    module: 'classifier',
    input: activated,
    inputSize: recipe.hiddenSize,
    outputSize: labels,
    bias: true,
    quantise: false,
  });
}

/** Half-precision results are cast, so that readers meet one type. */
function finish({ graph }: EncoderWriter, value: string, name: string, dims: (string | number)[]): void {
  graph.output(name, elementType.float, dims);
  graph.node('Cast', `/${name}/Cast`, [value], {
    attributes: { to: { int: elementType.float } },
    outputs: [name],
  });
}

function dense(
  writer: EncoderWriter,
  module: string,
  input: string,
  inputSize: number,
  outputSize: number,
): string {
  return linear(writer, { module, input, inputSize, outputSize, bias: true });
}

function scalar(graph: GraphBuilder, dtype: Dtype, name: string, value: number): string {
  const bytes =
    dtype === 'fp16'
      ? new Uint8Array(Uint16Array.of(halfBits(value)).buffer)
      : new Uint8Array(Float32Array.of(value).buffer);
  return graph.tensor(name, [], floatTypeOf(dtype), { kind: 'values', bytes });
}

/** Domains and versions the graph imports: Gelu came with opset 20. */
export const encoderOpsets = [
  { domain: '', version: 21 },
  { domain: 'com.microsoft', version: 1 },
];
