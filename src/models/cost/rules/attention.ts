/**
 * Attention in one node. `matmul` and `executed` count the full rectangle of new × (past + new) positions:
 * ONNX Runtime's CPU kernels multiply it whole (GEMMs of [new, total] per head in gqa_attention_base.h and
 * attention.cc) and mask afterwards. Scaling and softmax are 6 FLOP a score, elementwise.
 *
 * KV bytes: within one node each byte counts once. A cache updated in place (GroupQueryAttention) is read
 * over its past and written at its new positions; a cache that is copied (past in, present out) is read
 * over its past and written in full. New keys and values are read as the node's inputs.
 */
import { DataType, storedBytes } from '../../onnx/tensor-data.js';
import {
  extent,
  input,
  type NodeFlops,
  type OpContext,
  type OpResult,
  type RuleTable,
  ShapeMismatch,
  sizeOf,
  tensor,
  UnresolvedShape,
  type Value,
} from '../op-rule.js';
import { causalPairs, productFlops, productOf, windowedPairs } from './matrix-products.js';

interface AttentionShape {
  batch: number;
  heads: number;
  /** New positions. */
  queries: number;
  /** Positions attended to, past and new. */
  keys: number;
  /** Width of one query or key head, and of one value head. */
  headSize: number;
  valueSize: number;
}

/**
 * FLOPs of scores, softmax and weighted values; `perScore` elementwise FLOPs each beside scale and softmax.
 * `past` is how many keys come before the first query of a causal attention, null where it is not causal.
 */
function attentionFlops(shape: AttentionShape, past: number | null, perScore = 0): NodeFlops {
  const { batch, heads, queries, keys, headSize, valueSize } = shape;
  const rectangle = batch * heads * queries * keys;
  const pairs = past === null ? rectangle : batch * heads * causalPairs(queries, keys, past);
  const perPair = 2 * (headSize + valueSize);
  return { matmul: rectangle * perPair, causal: pairs * perPair, elementwise: rectangle * (6 + perScore) };
}

/**
 * Keys before the first query: the cache's, where the node itself masks; where the graph does (a decoder, a
 * mask of positions), the queries are the last of all positions.
 */
function causalPast(op: OpContext, masksItself: boolean, cached: number, keys: number, queries: number) {
  if (op.causal !== null) return Math.max(0, keys - queries);
  return masksItself ? cached : null;
}

function heads(op: OpContext, name: string): number {
  const count = op.attributes.int(name, 0);
  if (count <= 0) throw new ShapeMismatch(`attribute ${name} is missing`);
  return count;
}

/**
 * com.microsoft GroupQueryAttention: query (or packed query, key, value), key, value, past key and value,
 * index of each row's last position, total length, cos, sin, position ids, bias, head sink.
 */
function groupQueryAttention(op: OpContext): OpResult {
  const query = input(op, 0);
  const [queryHeads, kvHeads] = [heads(op, 'num_heads'), heads(op, 'kv_num_heads')];
  const packed = !op.inputs[1];
  const headSize = extent(query.shape, 2) / (packed ? queryHeads + 2 * kvHeads : queryHeads);
  const [batch, queries] = [extent(query.shape, 0), extent(query.shape, 1)];
  const past = op.inputs[3];
  const buffer = past ? extent(past.shape, 2) : 0;
  // With a buffer shared by past and present its length says nothing of how much of it is filled.
  const keys = op.inputs[6]?.values?.[0] ?? buffer + queries;
  const shape = { batch, heads: queryHeads, queries, keys, headSize, valueSize: headSize };
  const flops = attentionFlops(shape, keys - queries);
  // Each query sees its own position and so many before it; ONNX Runtime masks what lies further back.
  const local = op.attributes.int('local_window_size', -1);
  const window = local > 0 ? local : Number.POSITIVE_INFINITY;
  const pairs = batch * queryHeads * windowedPairs(queries, keys, keys - queries, window);
  flops.causal = pairs * 4 * headSize;
  // The kernel's softmax stops at the diagonal. A sink is one score more a row.
  const softcap = op.attributes.float('softcap', 0) > 0 ? 3 : 0;
  const sink = op.inputs[11] || op.attributes.int('smooth_softmax', 0) === 1;
  flops.elementwise =
    pairs * (6 + softcap + (op.inputs[10] ? 1 : 0)) + (sink ? batch * queryHeads * queries : 0);
  // RMS norm of each head of the new queries and keys.
  if (op.inputs[14]) flops.elementwise += 4 * batch * queries * queryHeads * headSize;
  if (op.inputs[15]) flops.elementwise += 4 * batch * queries * kvHeads * headSize;
  const dtype = past?.dtype ?? query.dtype;
  const positionBytes = storedBytes(dtype, batch * kvHeads * headSize);
  const readBytes: Record<number, number> = {
    3: positionBytes * (keys - queries),
    4: positionBytes * (keys - queries),
  };
  if (op.attributes.int('do_rotary', 0)) {
    flops.elementwise += 3 * batch * queries * (queryHeads + kvHeads) * headSize;
    for (const index of [7, 8]) readBytes[index] = rowBytes(op, index, batch * queries);
  }
  const present = tensor(dtype, [batch, kvHeads, Math.max(buffer, keys), headSize]);
  return {
    outputs: [tensor(query.dtype, [batch, queries, queryHeads * headSize]), present, present],
    flops,
    readBytes,
    writtenBytes: { 1: positionBytes * queries, 2: positionBytes * queries },
    ...(local > 0 && { window: local }),
  };
}

/** Bytes of `rows` rows of a rotary table [.., half the head]. */
function rowBytes(op: OpContext, index: number, rows: number): number {
  const table = input(op, index);
  return storedBytes(table.dtype, rows * extent(table.shape, -1));
}

/** ONNX Attention (opset 23): [batch, heads, positions, size] or [batch, positions, heads · size]. */
function standardAttention(op: OpContext): OpResult {
  const [query, key, value] = [input(op, 0), input(op, 1), input(op, 2)];
  const flat = query.shape.length === 3;
  const queryHeads = flat ? heads(op, 'q_num_heads') : extent(query.shape, 1);
  const kvHeads = flat ? heads(op, 'kv_num_heads') : extent(key.shape, 1);
  const [batch, queries] = [extent(query.shape, 0), extent(query.shape, -2)];
  const headSize = extent(query.shape, -1) / (flat ? queryHeads : 1);
  const valueSize = extent(value.shape, -1) / (flat ? kvHeads : 1);
  const past = op.inputs[4] ? extent(op.inputs[4].shape, 2) : 0;
  const keys = past + extent(key.shape, -2);
  const shape = { batch, heads: queryHeads, queries, keys, headSize, valueSize };
  const before = causalPast(op, op.attributes.int('is_causal', 0) === 1, past, keys, queries);
  const softcap = op.attributes.float('softcap', 0) > 0 ? 3 : 0;
  const outputs = [
    tensor(
      query.dtype,
      flat ? [batch, queries, queryHeads * valueSize] : [batch, queryHeads, queries, valueSize],
    ),
    tensor(key.dtype, [batch, kvHeads, keys, headSize]),
    tensor(value.dtype, [batch, kvHeads, keys, valueSize]),
    tensor(query.dtype, [batch, queryHeads, queries, keys]),
  ];
  return {
    outputs: outputs.slice(0, op.outputCount),
    flops: attentionFlops(shape, before, softcap + (op.inputs[3] ? 1 : 0)),
  };
}

/** com.microsoft Attention: projects its input to query, key and value, then attends. */
function projectingAttention(op: OpContext): OpResult {
  const data = input(op, 0);
  const weights = input(op, 1);
  const queryHeads = heads(op, 'num_heads');
  const width = extent(weights.shape, 1);
  const [query, , value] = op.attributes.ints('qkv_hidden_sizes') ?? [width / 3, width / 3, width / 3];
  const past = op.inputs[4];
  const [batch, queries] = [extent(data.shape, 0), extent(data.shape, 1)];
  const headSize = query! / queryHeads;
  const keys = queries + (past ? extent(past.shape, 3) : 0);
  const shape = { batch, heads: queryHeads, queries, keys, headSize, valueSize: value! / queryHeads };
  const masks = op.attributes.int('unidirectional', 0) === 1;
  const before = causalPast(op, masks, keys - queries, keys, queries);
  const attention = attentionFlops(shape, before, op.inputs[3] || op.inputs[5] ? 1 : 0);
  const projection = productFlops(productOf(data.shape, weights.shape), null);
  const rotary = op.attributes.int('do_rotary', 0) ? 6 * batch * queries * query! : 0;
  const bias = op.inputs[2] ? batch * queries * width : 0;
  return {
    outputs: [
      tensor(data.dtype, [batch, queries, value!]),
      tensor(data.dtype, [2, batch, queryHeads, keys, headSize]),
    ].slice(0, op.outputCount),
    flops: {
      matmul: attention.matmul! + projection.matmul!,
      causal: attention.causal! + projection.matmul!,
      elementwise: attention.elementwise! + rotary + bias,
    },
  };
}

/** com.microsoft MultiHeadAttention; query may hold key and value too, key may hold value. */
function multiHeadAttention(op: OpContext): OpResult {
  const query = input(op, 0);
  const queryHeads = heads(op, 'num_heads');
  const [batch, queries] = [extent(query.shape, 0), extent(query.shape, 1)];
  // Packed: [batch, positions, heads, 3, size].
  const packed = query.shape.length === 5;
  const headSize = packed ? extent(query.shape, 4) : extent(query.shape, 2) / queryHeads;
  const key = op.inputs[1];
  const value = op.inputs[2];
  if (!packed && !key) throw new UnresolvedShape('the shape of the key is not known');
  // A key of 4 dimensions is laid out by heads, [batch, heads, positions, size], and holds its past already.
  const byHeads = key?.shape.length === 4;
  const past = op.inputs[6] && !byHeads ? extent(op.inputs[6].shape, 2) : 0;
  const fresh = packed ? queries : extent(key!.shape, byHeads ? 2 : 1);
  const valueSize = value
    ? byHeads
      ? extent(value.shape, 3)
      : extent(value.shape, 2) / queryHeads
    : headSize;
  const keys = past + fresh;
  const shape = { batch, heads: queryHeads, queries, keys, headSize, valueSize };
  const before = causalPast(op, op.attributes.int('unidirectional', 0) === 1, past, keys, queries);
  const flops = attentionFlops(shape, before, op.inputs[4] || op.inputs[5] ? 1 : 0);
  if (op.inputs[3]) flops.elementwise! += batch * queries * sizeOf(op.inputs[3]);
  return {
    outputs: [
      tensor(query.dtype, [batch, queries, queryHeads * valueSize]),
      tensor(query.dtype, [batch, queryHeads, keys, headSize]),
      tensor(query.dtype, [batch, queryHeads, keys, valueSize]),
    ].slice(0, op.outputCount),
    flops,
  };
}

function headSizeOf(op: OpContext, { shape }: Value): number {
  return shape.length === 4 ? extent(shape, 3) : extent(shape, -1) / heads(op, 'num_heads');
}

/** Rotates pairs: x·cos + rotated(x)·sin, 3 FLOP an element. Rows of the tables are read per position. */
function rotaryEmbedding(op: OpContext): OpResult {
  const data = input(op, 0);
  // com.microsoft: input, positions, cos, sin; ONNX: input, cos, sin, positions.
  const contrib = (op.inputs[1]?.dtype ?? DataType.float) === DataType.int64;
  const rotated = data.shape.length === 4 ? extent(data.shape, 0) * extent(data.shape, 2) : 0;
  const positions = rotated || extent(data.shape, 0) * extent(data.shape, 1);
  const readBytes: Record<number, number> = {};
  for (const index of contrib ? [2, 3] : [1, 2]) readBytes[index] = rowBytes(op, index, positions);
  // Of each head the first so many elements, where not all of them.
  const part = op.attributes.int('rotary_embedding_dim', 0);
  const share = part > 0 ? part / headSizeOf(op, data) : 1;
  return {
    outputs: [tensor(data.dtype, data.shape)],
    flops: { elementwise: 3 * sizeOf(data) * share },
    readBytes,
  };
}

/**
 * com.microsoft DecoderMaskedMultiHeadAttention: one new position, [batch, 1, heads · size], behind a cache
 * [batch, heads, positions, size]; a key of 4 dimensions is that of a cross-attention, whole.
 */
function decoderMaskedAttention(op: OpContext): OpResult {
  const query = input(op, 0);
  const queryHeads = heads(op, 'num_heads');
  const [batch, queries] = [extent(query.shape, 0), extent(query.shape, 1)];
  const headSize = extent(query.shape, 2) / queryHeads;
  const [key, value, past] = [op.inputs[1], op.inputs[2], op.inputs[5]];
  const crosses = key?.shape.length === 4;
  const buffer = past ? extent(past.shape, 2) : 0;
  const shared = op.attributes.int('past_present_share_buffer', 0) === 1;
  // In a buffer shared by past and present only so many positions are filled.
  const filled = shared ? op.inputs[7]?.values?.[0] : buffer;
  const keys = crosses ? extent(key.shape, 2) : (filled ?? buffer) + queries;
  const valueSize = value ? extent(value.shape, -1) / (crosses ? 1 : queryHeads) : headSize;
  const shape = { batch, heads: queryHeads, queries, keys, headSize, valueSize };
  const added = (op.inputs[3] ? 1 : 0) + (op.inputs[4] ? 1 : 0);
  const flops = attentionFlops(shape, null, added);
  if (op.inputs[10]) flops.elementwise! += batch * queries * sizeOf(op.inputs[10]);
  const positions = shared ? buffer : keys;
  const outputs = [
    tensor(query.dtype, [batch, queries, queryHeads * valueSize]),
    tensor(query.dtype, [batch, queryHeads, positions, headSize]),
    tensor(query.dtype, [batch, queryHeads, positions, valueSize]),
    tensor(DataType.float, [batch, queryHeads, queries, keys]),
  ];
  return {
    outputs: outputs.slice(0, op.outputCount),
    flops,
    ...(filled === undefined && !crosses && { inexact: 'how much of its cache is filled is not known' }),
  };
}

/** com.microsoft QAttention: Attention whose projection is a product of integers; past is input 8. */
function quantisedAttention(op: OpContext): OpResult {
  const { inputs } = op;
  const result = projectingAttention({
    ...op,
    inputs: [inputs[0], inputs[1], inputs[2], inputs[5], inputs[8]],
  });
  const dtype = input(op, 3).dtype;
  const [rows, inner] = [
    sizeOf(input(op, 0)) / extent(input(op, 0).shape, -1),
    extent(input(op, 0).shape, -1),
  ];
  const columns = extent(input(op, 1).shape, 1);
  const { matmul = 0 } = result.flops ?? {};
  return {
    ...result,
    outputs: result.outputs.map((value) => value && tensor(dtype, value.shape)),
    // Corrections for zero points, as of every product of integers.
    flops: { ...result.flops, executed: matmul + rows * (inner + 2 * columns) },
  };
}

/** Each position attends within a window; how many are global, and attend to all, depends on the data. */
function longformerAttention(op: OpContext): OpResult {
  const data = input(op, 0);
  const projection = productFlops(productOf(data.shape, input(op, 1).shape), null);
  return {
    outputs: [tensor(data.dtype, data.shape)],
    flops: projection,
    inexact: `it attends within ${op.attributes.int('window', 0)} positions and to those that are global`,
  };
}

export const attentionRules: RuleTable = {
  GroupQueryAttention: groupQueryAttention,
  Attention: standardAttention,
  RotaryEmbedding: rotaryEmbedding,
};

/** com.microsoft's own Attention shares its name with ONNX's. */
export const contribAttentionRules: RuleTable = {
  Attention: projectingAttention,
  MultiHeadAttention: multiHeadAttention,
  DecoderMaskedMultiHeadAttention: decoderMaskedAttention,
  QAttention: quantisedAttention,
  LongformerAttention: longformerAttention,
};
