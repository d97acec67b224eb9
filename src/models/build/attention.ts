import { contrib } from './graph-builder.js';
import { linear, pathOf, type Writer } from './linear.js';
import { rmsNorm } from './norm.js';
import { additiveMask, primitiveAttention } from './primitive-attention.js';
import { elementType, floatTypeOf } from './tensor.js';

/** Values that every attention layer reads, computed once per pass. */
export interface AttentionInputs {
  /** Rotary tables [contextLength, headDim/2]; null where positions are learned. */
  rotary: { cos: string; sin: string } | null;
  /** Contrib graph variant: int32 [batch], the index of each row's last position; unused in the others. */
  lastPositions: string;
  /** Contrib graph variant: int32 scalar, cached and new positions together; unused in the others. */
  totalLength: string;
  /**
   * Standard graph variant: bool [batch, 1, new, total], false where a position is padding; primitive: what is
   * added to scores of that shape; contrib: unused.
   */
  mask: string;
  /** int64 [batch, new]; contrib graph variant with rotary positions has none. */
  positions: string;
}

/** Writes what `AttentionInputs` names. */
export function attentionInputs(writer: Writer, attentionMask: string, positions: string): AttentionInputs {
  const { graph, graphVariant } = writer;
  const rotary = rotaryTables(writer);
  if (graphVariant !== 'contrib') {
    const maskOf = graphVariant === 'standard' ? paddingMask : additiveMask;
    const mask = maskOf(writer, attentionMask, positions);
    return { rotary, mask, positions, lastPositions: '', totalLength: '' };
  }
  // Both come from the mask's values and length, as in published exports, so the same graph serves a
  // past of exact length and a buffer of full length that past and present share.
  const toInt32 = { attributes: { to: { int: elementType.int32 } } };
  const counts = graph.node(
    'ReduceSum',
    '/mask/ReduceSum',
    [attentionMask, graph.constant('mask_axis', [1])],
    {
      attributes: { keepdims: { int: 0 } },
    },
  );
  const last = graph.node('Sub', '/mask/Sub', [counts, graph.constant('one', [1])]);
  const shape = graph.node('Shape', '/mask/Shape', [attentionMask]);
  const total = graph.node('Gather', '/mask/Gather', [shape, graph.constant('mask_length_index', 1)]);
  return {
    rotary,
    lastPositions: graph.node('Cast', '/mask/lastPositions', [last], toInt32),
    totalLength: graph.node('Cast', '/mask/totalLength', [total], toInt32),
    mask: '',
    positions,
  };
}

/** Attention wants the mask in full, [batch, 1, new, total]; causality it adds itself. */
function paddingMask({ graph }: Writer, attentionMask: string, positions: string): string {
  const dimension = (name: string, of: string, axis: number) =>
    graph.node('Shape', `/mask/${name}`, [of], {
      attributes: { start: { int: axis }, end: { int: axis + 1 } },
    });
  const shape = graph.node(
    'Concat',
    '/mask/Concat',
    [
      dimension('batch', positions, 0),
      graph.constant('one', [1]),
      dimension('new', positions, 1),
      dimension('total', attentionMask, 1),
    ],
    { attributes: { axis: { int: 0 } } },
  );
  const valid = graph.node('Cast', '/mask/Cast', [attentionMask], {
    attributes: { to: { int: elementType.bool } },
  });
  const perRow = graph.node('Unsqueeze', '/mask/Unsqueeze', [valid, graph.constant('mask_axes', [1, 2])]);
  return graph.node('Expand', '/mask/Expand', [perRow, shape]);
}

function rotaryTables({ graph, recipe, dtype }: Writer): AttentionInputs['rotary'] {
  const { ropeTheta, headDim, contextLength } = recipe;
  if (ropeTheta === null) return null;
  const table = (of: 'cos' | 'sin') =>
    graph.tensor(`${of}_cache`, [contextLength, headDim / 2], floatTypeOf(dtype), {
      kind: 'rotary',
      of,
      theta: ropeTheta,
      dimension: headDim,
    });
  return { cos: table('cos'), sin: table('sin') };
}

/** Self-attention of one layer with its KV cache: [batch, new, hidden] to the same. */
export function attention(writer: Writer, layer: number, input: string, shared: AttentionInputs): string {
  const { graph, recipe } = writer;
  const { hiddenSize, heads, kvHeads, headDim } = recipe;
  const module = `model.layers.${layer}.self_attn`;
  const cacheShape = (length: string) => ['batch_size', kvHeads, length, headDim];
  const type = floatTypeOf(writer.dtype);
  const caches = (['key', 'value'] as const).map((part) => {
    const past = graph.input(`past_key_values.${layer}.${part}`, type, cacheShape('past_sequence_length'));
    const present = `present.${layer}.${part}`;
    graph.output(present, type, cacheShape('total_sequence_length'));
    return { past, present };
  });

  const projected =
    recipe.architecture === 'gpt2'
      ? fusedProjection(writer, module, input)
      : separateProjections(writer, module, input);
  const attend = writer.graphVariant === 'contrib' ? groupQueryAttention : rotatedAttention;
  const attended = attend(writer, module, projected, caches, shared);
  return linear(writer, {
    module: `${module}.o_proj`,
    input: attended,
    inputSize: heads * headDim,
    outputSize: hiddenSize,
    bias: recipe.outputBias,
  });
}

/** Query, key and value; one packed tensor [.., (heads + 2·kvHeads)·headDim] where there is only one. */
type Projected = [packed: string] | [query: string, key: string, value: string];
type Caches = { past: string; present: string }[];

function fusedProjection(writer: Writer, module: string, input: string): Projected {
  const { hiddenSize } = writer.recipe;
  const packed = linear(writer, {
    module: `${module}.qkv_proj`,
    input,
    inputSize: hiddenSize,
    outputSize: 3 * hiddenSize,
    bias: true,
  });
  if (writer.graphVariant === 'contrib') return [packed];
  const parts = ['query', 'key', 'value'].map((part) => `${pathOf(module)}/Split/${part}`);
  writer.graph.node('Split', `${pathOf(module)}/Split`, [packed], {
    attributes: { axis: { int: -1 }, num_outputs: { int: 3 } },
    outputs: parts,
  });
  return parts as [string, string, string];
}

function separateProjections(writer: Writer, module: string, input: string): Projected {
  const { hiddenSize, heads, kvHeads, headDim, qkvBias } = writer.recipe;
  const project = (part: 'q' | 'k' | 'v', partHeads: number) => {
    const projection = linear(writer, {
      module: `${module}.${part}_proj`,
      input,
      inputSize: hiddenSize,
      outputSize: partHeads * headDim,
      bias: qkvBias,
    });
    return part === 'v'
      ? projection
      : normedProjection(writer, `${module}.${part}_norm`, projection, partHeads);
  };
  return [project('q', heads), project('k', kvHeads), project('v', kvHeads)];
}

function normedProjection(writer: Writer, module: string, projection: string, heads: number): string {
  const { graph, recipe } = writer;
  const width = heads * recipe.headDim;
  if (recipe.qkNorm === 'none') return projection;
  if (recipe.qkNorm === 'projection') return rmsNorm(writer, module, projection, width);
  const path = pathOf(module);
  const split = graph.constant(`${module}.split_shape`, [0, 0, heads, recipe.headDim]);
  const perHead = graph.node('Reshape', `${path}/Reshape_1`, [projection, split]);
  const normed = rmsNorm(writer, module, perHead, recipe.headDim);
  const joined = graph.constant(`${module}.joined_shape`, [0, 0, width]);
  return graph.node('Reshape', `${path}/Reshape_2`, [normed, joined]);
}

function groupQueryAttention(
  { graph, recipe }: Writer,
  module: string,
  [query, key = '', value = '']: Projected,
  caches: Caches,
  { rotary, lastPositions, totalLength }: AttentionInputs,
): string {
  const path = pathOf(module);
  const output = `${path}/GroupQueryAttention/output_0`;
  return graph.node(
    'GroupQueryAttention',
    `${path}/GroupQueryAttention`,
    [
      query,
      key,
      value,
      ...caches.map(({ past }) => past),
      lastPositions,
      totalLength,
      ...(rotary ? [rotary.cos, rotary.sin] : []),
    ],
    {
      domain: contrib,
      attributes: {
        num_heads: { int: recipe.heads },
        kv_num_heads: { int: recipe.kvHeads },
        do_rotary: { int: rotary ? 1 : 0 },
      },
      outputs: [output, ...caches.map(({ present }) => present)],
    },
  );
}

/** The standard's attention, or the primitive one, after rotating queries and keys. */
function rotatedAttention(
  writer: Writer,
  module: string,
  projected: Projected,
  caches: Caches,
  { rotary, mask, positions }: AttentionInputs,
): string {
  const { graph, recipe, graphVariant } = writer;
  const path = pathOf(module);
  const [query, key, value] = projected as [string, string, string];
  const rotate = (part: string, input: string, heads: number) =>
    rotary === null
      ? input
      : graph.node('RotaryEmbedding', `${path}/${part}_rotary`, [input, rotary.cos, rotary.sin, positions], {
          attributes: { num_heads: { int: heads } },
        });
  const [q, k] = [rotate('q', query, recipe.heads), rotate('k', key, recipe.kvHeads)];
  if (graphVariant === 'primitive') return primitiveAttention(writer, module, [q, k, value], caches, mask);
  const output = `${path}/Attention/output_0`;
  return graph.node(
    'Attention',
    `${path}/Attention`,
    [q, k, value, mask, ...caches.map(({ past }) => past)],
    {
      attributes: {
        is_causal: { int: 1 },
        q_num_heads: { int: recipe.heads },
        kv_num_heads: { int: recipe.kvHeads },
      },
      outputs: [output, ...caches.map(({ present }) => present)],
    },
  );
}
