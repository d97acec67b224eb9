/**
 * The graph of a decoder that is counted and never run: the operators ONNX Runtime has for its parts, with
 * weights of their shapes and no data. Latent attention is written in its absorbed form, as DeepSeek's own
 * inference code runs it: queries are brought into the space of the latent, so that the cache holds one latent
 * and one rotary key a position.
 */
import type { CountedLayer, CountedShape, GroupedAttention, LatentAttention } from '../counted-config.js';
import type { Dtype } from '../dtype.js';
import type { ModelProto } from '../onnx/proto.js';
import { modelOf, storeOf } from './build-graph.js';
import { lastPositions, opsetImports } from './decoder.js';
import { contrib, GraphBuilder } from './graph-builder.js';
import { blockSize, linear, quantisedBits, type WeightWriter } from './linear.js';
import { gainsOf } from './norm.js';
import { elementType, floatTypeOf } from './tensor.js';

const anything = { kind: 'uniform', low: -1, high: 1 } as const;

interface CountedWriter extends WeightWriter {
  shape: CountedShape;
  type: ReturnType<typeof floatTypeOf>;
}

/**
 * The decoder of `shape`, its weights in `dtype` and without data. With `keepsEarly` it has a scalar
 * num_logits_to_keep as well, and computes that many last positions alone from the last layer's feed-forward on.
 */
export function buildCountedGraph(
  name: string,
  shape: CountedShape,
  dtype: Dtype,
  { keepsEarly = false } = {},
): ModelProto {
  const graph = new GraphBuilder();
  const writer: CountedWriter = { graph, dtype, shape, type: floatTypeOf(dtype) };
  const ids = graph.input('input_ids', elementType.int64, ['batch_size', 'sequence_length']);
  const mask = graph.input('attention_mask', elementType.int64, ['batch_size', 'total_sequence_length']);
  const toKeep = keepsEarly ? graph.input('num_logits_to_keep', elementType.int64, []) : null;
  const kept = keepsEarly ? 'logits_length' : 'sequence_length';
  graph.output('logits', writer.type, ['batch_size', kept, shape.vocabulary]);
  const { hiddenSize, vocabulary } = shape;
  const table = graph.tensor('embed_tokens', [vocabulary, hiddenSize], writer.type, anything);
  const embedded = graph.node('Gather', '/embed/Gather', [table, ids]);
  const scale = () => graph.tensor('embed_scale', [], writer.type, anything);
  let stream = shape.scaledEmbeddings ? graph.node('Mul', '/embed/Mul', [embedded, scale()]) : embedded;
  const lengths = lengthsOf(graph, mask);
  shape.layers.forEach((layer, index) => {
    const isLast = index === shape.layers.length - 1;
    stream = writeLayer(writer, layer, index, stream, lengths, isLast ? toKeep : null);
  });
  writeHead(writer, norm(writer, 'norm', stream, hiddenSize), table);
  return modelOf(name, graph, opsetImports('contrib'), storeOf(0, false));
}

interface Lengths {
  last: string;
  total: string;
}

function lengthsOf(graph: GraphBuilder, mask: string): Lengths {
  const int32 = { attributes: { to: { int: elementType.int32 } } };
  const shape = graph.node('Shape', '/mask/Shape', [mask]);
  const total = graph.node('Gather', '/mask/Gather', [shape, graph.constant('mask_axis', 1)]);
  const counts = graph.node('ReduceSum', '/mask/ReduceSum', [mask, graph.constant('mask_axes', [1])], {
    attributes: { keepdims: { int: 0 } },
  });
  return {
    last: graph.node('Cast', '/mask/last', [counts], int32),
    total: graph.node('Cast', '/mask/total', [total], int32),
  };
}

function writeLayer(
  writer: CountedWriter,
  layer: CountedLayer,
  index: number,
  stream: string,
  lengths: Lengths,
  toKeep: string | null,
): string {
  const { graph, shape } = writer;
  const module = `layers.${index}`;
  const add = (branch: string, to: string, name: string) =>
    graph.node('Add', `/${module}/${name}/Add`, [
      to,
      layer.postNorms ? norm(writer, `${module}.post_${name}`, branch, shape.hiddenSize) : branch,
    ]);
  const normed = norm(writer, `${module}.input_norm`, stream, shape.hiddenSize);
  const { attention } = layer;
  const attended =
    attention.kind === 'grouped'
      ? groupedAttention(writer, attention, index, normed, lengths)
      : latentAttention(writer, attention, index, normed);
  const all = add(attended, stream, 'attention');
  const between = toKeep === null ? all : lastPositions(graph, all, toKeep, 'logits_to_keep');
  const fed = norm(writer, `${module}.mlp_norm`, between, shape.hiddenSize);
  return add(feedForward(writer, layer.feedForward, module, fed), between, 'mlp');
}

function norm(writer: CountedWriter, module: string, input: string, size: number): string {
  return writer.graph.node(
    'SimplifiedLayerNormalization',
    `/${module}/Norm`,
    [input, ...gainsOf(writer, module, size, false)],
    { attributes: { axis: { int: -1 } } },
  );
}

function project(
  writer: CountedWriter,
  module: string,
  input: string,
  sizes: [number, number],
  bias = false,
) {
  return linear(writer, { module, input, inputSize: sizes[0], outputSize: sizes[1], bias });
}

function cacheOf(
  { graph, type }: CountedWriter,
  layer: number,
  part: 'key' | 'value',
  heads: number,
  size: number,
): { past: string; present: string } {
  const dims = (length: string) => ['batch_size', heads, length, size];
  const past = graph.input(`past_key_values.${layer}.${part}`, type, dims('past_sequence_length'));
  const present = `present.${layer}.${part}`;
  graph.output(present, type, dims('total_sequence_length'));
  return { past, present };
}

function groupedAttention(
  writer: CountedWriter,
  { heads, kvHeads, headDim, window, softcap, sinks, bias, qkNorm }: GroupedAttention,
  layer: number,
  input: string,
  { last, total }: Lengths,
): string {
  const { graph, shape, type } = writer;
  const module = `layers.${layer}.attention`;
  const caches = (['key', 'value'] as const).map((part) => cacheOf(writer, layer, part, kvHeads, headDim));
  const of = (part: string, count: number) =>
    project(writer, `${module}.${part}`, input, [shape.hiddenSize, count * headDim], bias);
  const tables = ['cos', 'sin'].map((part) =>
    graph.tensor(`${module}.${part}`, [8192, headDim / 2], type, anything),
  );
  const optional = (present: boolean, name: string, size: number) =>
    present ? graph.tensor(`${module}.${name}`, [size], type, anything) : '';
  const attended = graph.node(
    'GroupQueryAttention',
    `/${module}/GroupQueryAttention`,
    [
      of('q_proj', heads),
      of('k_proj', kvHeads),
      of('v_proj', kvHeads),
      ...caches.map(({ past }) => past),
      last,
      total,
      ...tables,
      '',
      '',
      optional(sinks, 'sinks', heads),
      '',
      '',
      optional(qkNorm, 'q_norm', headDim),
      optional(qkNorm, 'k_norm', headDim),
    ],
    {
      domain: contrib,
      attributes: {
        num_heads: { int: heads },
        kv_num_heads: { int: kvHeads },
        do_rotary: { int: 1 },
        ...(window !== null && { local_window_size: { int: window } }),
        ...(softcap && { softcap: { float: 1 } }),
      },
      outputs: [`/${module}/attended`, ...caches.map(({ present }) => present)],
    },
  );
  return project(writer, `${module}.o_proj`, attended, [heads * headDim, shape.hiddenSize], bias);
}

/** [batch, new, hidden] to the same, by products with the cached latents [batch, 1, past + new, latent]. */
function latentAttention(
  writer: CountedWriter,
  { heads, queryRank, latentDim, contentDim, rotaryDim, valueDim }: LatentAttention,
  layer: number,
  input: string,
): string {
  const { graph, shape, type } = writer;
  const { hiddenSize } = shape;
  const module = `layers.${layer}.attention`;
  const path = `/${module}`;
  const byHeads = (of: string, size: number, name: string) => {
    const dims = graph.constant(`${module}.${name}.shape`, [0, 0, heads, size]);
    const split = graph.node('Reshape', `${path}/${name}/Reshape`, [of, dims]);
    return graph.node('Transpose', `${path}/${name}/Transpose`, [split], {
      attributes: { perm: { ints: [0, 2, 1, 3] } },
    });
  };
  const parts = (of: string, sizes: number[], name: string) => {
    const outputs = sizes.map((_, index) => `${path}/${name}/${index}`);
    graph.node('Split', `${path}/${name}/Split`, [of, graph.constant(`${module}.${name}.sizes`, sizes)], {
      attributes: { axis: { int: -1 } },
      outputs,
    });
    return outputs as [string, string];
  };
  const rotate = (of: string, name: string) =>
    graph.node('RotaryEmbedding', `${path}/${name}/RotaryEmbedding`, [
      of,
      ...['cos', 'sin'].map((part) =>
        graph.tensor(`${module}.${name}.${part}`, [8192, rotaryDim / 2], type, anything),
      ),
      positions(graph),
    ]);

  const headDim = contentDim + rotaryDim;
  const low =
    queryRank === null
      ? input
      : norm(
          writer,
          `${module}.q_norm`,
          project(writer, `${module}.q_down`, input, [hiddenSize, queryRank]),
          queryRank,
        );
  const projected = project(writer, `${module}.q_up`, low, [queryRank ?? hiddenSize, heads * headDim]);
  const [content, rotary] = parts(byHeads(projected, headDim, 'query'), [contentDim, rotaryDim], 'query');
  const compressed = project(writer, `${module}.kv_down`, input, [hiddenSize, latentDim + rotaryDim]);
  const [rawLatent, rawKey] = parts(compressed, [latentDim, rotaryDim], 'compressed');
  const axis = graph.constant(`${module}.head_axis`, [1]);
  const oneHead = (of: string, name: string) =>
    graph.node('Unsqueeze', `${path}/${name}/Unsqueeze`, [of, axis]);
  const grown = (of: string, part: 'key' | 'value', size: number) => {
    const { past, present } = cacheOf(writer, layer, part, 1, size);
    return graph.node('Concat', `${path}/${part}/Concat`, [past, of], {
      attributes: { axis: { int: 2 } },
      outputs: [present],
    });
  };
  const latents = grown(
    oneHead(norm(writer, `${module}.kv_norm`, rawLatent, latentDim), 'latent'),
    'value',
    latentDim,
  );
  const keys = grown(rotate(oneHead(rawKey, 'key'), 'key_rotary'), 'key', rotaryDim);

  // Each head's own [content, latent] and [latent, value] matrices: the two halves of the up-projection.
  const absorb = graph.tensor(`${module}.k_up`, [heads, contentDim, latentDim], type, anything);
  const expand = graph.tensor(`${module}.v_up`, [heads, latentDim, valueDim], type, anything);
  const transposed = (of: string, name: string) =>
    graph.node('Transpose', `${path}/${name}/Transpose`, [of], {
      attributes: { perm: { ints: [0, 1, 3, 2] } },
    });
  const queries = graph.node('MatMul', `${path}/absorb/MatMul`, [content, absorb]);
  const scores = graph.node('Add', `${path}/scores/Add`, [
    graph.node('MatMul', `${path}/scores/MatMul`, [queries, transposed(latents, 'latents')]),
    graph.node('MatMul', `${path}/rotary/MatMul`, [rotate(rotary, 'query_rotary'), transposed(keys, 'keys')]),
  ]);
  const weights = graph.node('Softmax', `${path}/Softmax`, [scores]);
  const mixed = graph.node('MatMul', `${path}/mixed/MatMul`, [weights, latents]);
  const values = graph.node('MatMul', `${path}/values/MatMul`, [mixed, expand]);
  const back = graph.node('Transpose', `${path}/values/Transpose`, [values], {
    attributes: { perm: { ints: [0, 2, 1, 3] } },
  });
  const flat = graph.node('Reshape', `${path}/values/Reshape`, [
    back,
    graph.constant(`${module}.values.shape`, [0, 0, heads * valueDim]),
  ]);
  return project(writer, `${module}.o_proj`, flat, [heads * valueDim, hiddenSize]);
}

function positions(graph: GraphBuilder): string {
  if (!graph.inputs.some(({ name }) => name === 'position_ids')) {
    graph.input('position_ids', elementType.int64, ['batch_size', 'sequence_length']);
  }
  return 'position_ids';
}

function feedForward(
  writer: CountedWriter,
  feed: CountedLayer['feedForward'],
  module: string,
  input: string,
): string {
  if (feed.kind === 'dense') return gated(writer, `${module}.mlp`, input, feed.width, feed.activation);
  const routed = experts(writer, feed, `${module}.mlp`, input);
  if (feed.sharedWidth === 0) return routed;
  const shared = gated(writer, `${module}.shared`, input, feed.sharedWidth, 'silu');
  return writer.graph.node('Add', `/${module}/shared/Add`, [routed, shared]);
}

function gated(
  writer: CountedWriter,
  module: string,
  input: string,
  width: number,
  activation: 'silu' | 'gelu',
): string {
  const { graph, shape } = writer;
  const inner = (part: string) => project(writer, `${module}.${part}`, input, [shape.hiddenSize, width]);
  const gate = inner('gate_proj');
  const activated =
    activation === 'gelu'
      ? graph.node('Gelu', `/${module}/Gelu`, [gate], { attributes: { approximate: { string: 'tanh' } } })
      : graph.node('Mul', `/${module}/silu/Mul`, [
          gate,
          graph.node('Sigmoid', `/${module}/silu/Sigmoid`, [gate]),
        ]);
  const product = graph.node('Mul', `/${module}/Mul`, [activated, inner('up_proj')]);
  return project(writer, `${module}.down_proj`, product, [width, shape.hiddenSize]);
}

function experts(
  writer: CountedWriter,
  feed: Extract<CountedLayer['feedForward'], { kind: 'mixture' }>,
  module: string,
  input: string,
): string {
  const { graph, shape, dtype, type } = writer;
  const { hiddenSize } = shape;
  const router = linear(writer, {
    module: `${module}.router`,
    input,
    inputSize: hiddenSize,
    outputSize: feed.experts,
    quantise: false,
    bias: feed.bias,
  });
  const balance = () => graph.tensor(`${module}.balance`, [feed.experts], type, anything);
  const balanced = feed.balanced ? graph.node('Add', `/${module}/balance/Add`, [router, balance()]) : router;
  const rows = graph.node('Reshape', `/${module}/router/Reshape`, [
    balanced,
    graph.constant(`${module}.router.shape`, [-1, feed.experts]),
  ]);
  const bits = quantisedBits(dtype);
  const weight = (part: string, rowCount: number, columns: number): string[] => {
    const name = `${module}.experts.${part}`;
    if (bits === null) return [graph.tensor(name, [feed.experts, rowCount, columns], type, anything)];
    const packed = [feed.experts, rowCount, Math.ceil((columns * bits) / 8)];
    const scales = [feed.experts, rowCount, Math.ceil(columns / blockSize)];
    return [
      graph.tensor(name, packed, elementType.uint8, { kind: 'bytes' }),
      graph.tensor(`${name}.scales`, scales, elementType.float, anything),
    ];
  };
  const bias = (part: string, size: number) =>
    feed.bias ? graph.tensor(`${module}.experts.${part}_bias`, [feed.experts, size], type, anything) : '';
  const opType = bits === null ? 'MoE' : 'QMoE';
  return graph.node(
    opType,
    `/${module}/${opType}`,
    [
      input,
      rows,
      ...weight('gate_up', 2 * feed.width, hiddenSize),
      bias('gate_up', 2 * feed.width),
      ...weight('down', hiddenSize, feed.width),
      bias('down', hiddenSize),
    ],
    {
      domain: contrib,
      attributes: {
        k: { int: feed.perToken },
        activation_type: { string: 'swiglu' },
        ...(bits === null ? {} : { expert_weight_bits: { int: bits }, block_size: { int: blockSize } }),
      },
    },
  );
}

function writeHead(writer: CountedWriter, input: string, table: string): void {
  const { graph, shape } = writer;
  const { hiddenSize, vocabulary } = shape;
  const output = shape.softcappedLogits ? '/head/logits' : 'logits';
  if (shape.tiedEmbeddings && quantisedBits(writer.dtype) === null) {
    const transposed = graph.node('Transpose', '/head/Transpose', [table]);
    graph.node('MatMul', '/head/MatMul', [input, transposed], { outputs: [output] });
  } else {
    linear(writer, { module: 'lm_head', input, inputSize: hiddenSize, outputSize: vocabulary, output });
  }
  if (!shape.softcappedLogits) return;
  const cap = graph.tensor('logits_cap', [], writer.type, anything);
  const scaled = graph.node('Div', '/head/Div', [output, cap]);
  const capped = graph.node('Tanh', '/head/Tanh', [scaled]);
  graph.node('Mul', '/head/Mul', [capped, cap], { outputs: ['logits'] });
}
