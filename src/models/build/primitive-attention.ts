import { halfBits } from '../half.js';
import { pathOf, type Writer } from './linear.js';
import { type ElementType, elementType, floatTypeOf } from './tensor.js';

/** Added to the score of a position that may not be seen, once or twice; its sum is still a number in fp16. */
const hidden = -30_000;

/**
 * The primitive graph variant's mask: [batch, 1, new, total] in the model's dtype, 0 where a position is seen. The
 * rectangle is made where attention runs: positions are compared in fp32, since GPUs have no int64.
 */
export function additiveMask(writer: Writer, attentionMask: string, positions: string): string {
  const { graph } = writer;
  const float = (name: string, input: string) =>
    graph.node('Cast', `/mask/${name}`, [input], { attributes: { to: { int: elementType.float } } });
  const constant = (name: string, value: number) => floatConstant(writer, `mask_${name}`, value);
  const at = (name: string, input: string, axes: number[]) =>
    graph.node('Unsqueeze', `/mask/${name}`, [input, graph.constant(`mask_${name}_axes`, axes)]);

  const total = graph.node('Gather', '/mask/total', [
    graph.node('Shape', '/mask/Shape', [attentionMask]),
    graph.constant('mask_length_index', 1),
  ]);
  const keys = graph.node('Range', '/mask/Range', [
    constant('zero', 0),
    float('totalFloat', total),
    constant('one', 1),
  ]);
  const queries = at('queries', float('positions', positions), [1, 3]);
  const seen = graph.node('LessOrEqual', '/mask/LessOrEqual', [keys, queries]);
  const future = graph.node('Where', '/mask/Where', [seen, constant('zero', 0), constant('hidden', hidden)]);
  // 1 − mask, times the penalty: positions that only fill up a row.
  const padded = graph.node('Sub', '/mask/Sub', [float('valid', attentionMask), constant('one', 1)]);
  const padding = graph.node('Mul', '/mask/Mul', [padded, constant('unhidden', -hidden)]);
  const mask = graph.node('Add', '/mask/Add', [future, at('padding', padding, [1, 2])]);
  if (writer.dtype !== 'fp16') return mask;
  return graph.node('Cast', '/mask/half', [mask], { attributes: { to: { int: elementType.float16 } } });
}

/**
 * Attention in matrix products, softmax and movements, which every provider runs. Query heads that share a
 * key/value head have a dimension of their own, over which its cache is broadcast and not repeated:
 * [batch, kvHeads, heads ÷ kvHeads, positions, headDim].
 */
export function primitiveAttention(
  writer: Writer,
  module: string,
  [query, key, value]: readonly [string, string, string],
  caches: readonly { past: string; present: string }[],
  mask: string,
): string {
  const { graph, recipe } = writer;
  const { heads, kvHeads, headDim } = recipe;
  const shared = heads / kvHeads;
  const path = pathOf(module);
  const reshape = (name: string, input: string, dims: number[]) =>
    graph.node('Reshape', `${path}/${name}`, [input, graph.constant(`${module}.${name}_shape`, dims)]);
  const transpose = (name: string, input: string, perm: number[]) =>
    graph.node('Transpose', `${path}/${name}`, [input], { attributes: { perm: { ints: perm } } });
  const byHead = (name: string, input: string, count: number) =>
    transpose(`${name}_heads`, reshape(name, input, [0, 0, count, headDim]), [0, 2, 1, 3]);
  const broadcast = (name: string, input: string) =>
    shared === 1
      ? input
      : graph.node('Unsqueeze', `${path}/${name}`, [input, graph.constant(`${module}.${name}_axis`, [2])]);
  const append = (
    name: 'key' | 'value',
    part: string,
    { past, present }: { past: string; present: string },
  ) =>
    graph.node('Concat', `${path}/${name}_cache`, [past, byHead(name, part, kvHeads)], {
      attributes: { axis: { int: 2 } },
      outputs: [present],
    });

  const keys = append('key', key, caches[0]!);
  const values = append('value', value, caches[1]!);
  const scale = floatConstant(writer, `${module}.scale`, 1 / Math.sqrt(headDim), floatTypeOf(writer.dtype));
  const scaled = graph.node('Mul', `${path}/scaled`, [byHead('query', query, heads), scale]);
  const scores = graph.node('MatMul', `${path}/scores`, [
    shared === 1 ? scaled : reshape('grouped', scaled, [0, kvHeads, shared, -1, headDim]),
    broadcast('shared_keys', transpose('keys', keys, [0, 1, 3, 2])),
  ]);
  const masked = graph.node('Add', `${path}/masked`, [scores, broadcast('shared_mask', mask)]);
  const shares = graph.node('Softmax', `${path}/Softmax`, [masked], { attributes: { axis: { int: -1 } } });
  const attended = graph.node('MatMul', `${path}/values`, [shares, broadcast('shared_values', values)]);
  const joined = shared === 1 ? attended : reshape('ungrouped', attended, [0, heads, -1, headDim]);
  return reshape('joined', transpose('by_position', joined, [0, 2, 1, 3]), [0, 0, heads * headDim]);
}

/** A scalar; written once. */
function floatConstant(
  { graph }: Writer,
  name: string,
  value: number,
  type: ElementType = elementType.float,
): string {
  if (graph.tensors.some((tensor) => tensor.name === name)) return name;
  const words = type === elementType.float16 ? Uint16Array.of(halfBits(value)) : Float32Array.of(value);
  return graph.tensor(name, [], type, { kind: 'values', bytes: new Uint8Array(words.buffer) });
}
