import { Attributes } from '../onnx/attributes.js';
import type { GraphProto, ModelProto, NodeProto, TensorProto } from '../onnx/proto.js';
import { DataType, elementCount, isFloat, numbersOf } from '../onnx/tensor-data.js';
import { valueLimit } from './op-rule.js';
import { tiedHeadSize } from './tied-head.js';

interface Use {
  node: NodeProto;
  index: number;
}

/** Inputs that hold quantised weights, of operators that take any. */
const quantisedWeights: Record<string, number[]> = {
  MatMulNBits: [1],
  MatMulBnb4: [1],
  QMoE: [2, 5, 8],
  Gather: [0],
  GatherBlockQuantized: [0],
  MatMulInteger: [0, 1],
  MatMulIntegerToFloat: [1],
  DynamicQuantizeMatMul: [1],
  DynamicQuantizeLSTM: [1, 2],
  DequantizeLinear: [0],
  QLinearMatMul: [0, 3],
  QLinearConv: [3, 8],
  QGemm: [3, 6],
  ConvInteger: [1],
};

/** Inputs in floating point that say how to compute: scales, rotary tables, sizes, statistics. */
const settings: Record<string, number[]> = {
  MatMulNBits: [2, 3],
  MatMulBnb4: [2],
  QMoE: [3, 6, 9, 11, 12, 13],
  GatherBlockQuantized: [2, 3],
  MatMulIntegerToFloat: [2, 3, 4, 5],
  DynamicQuantizeMatMul: [2, 3],
  DynamicQuantizeLSTM: [8, 9, 10, 11],
  DequantizeLinear: [1, 2],
  QuantizeLinear: [1, 2],
  QLinearMatMul: [1, 2, 4, 5, 6, 7],
  QLinearConv: [1, 2, 4, 5, 6, 7],
  QGemm: [1, 2, 4, 5, 7, 8],
  GroupQueryAttention: [7, 8, 12, 13],
  RotaryEmbedding: [1, 2, 3],
  Resize: [1, 2, 3],
  Upsample: [1],
  // Running mean and variance are statistics, not trained.
  BatchNormalization: [3, 4],
};

/** Ops that pass a table on, and those by which angles are made of it. */
const views = new Set([
  'Gather',
  'Slice',
  'Cast',
  'Squeeze',
  'Unsqueeze',
  'Reshape',
  'Transpose',
  'Expand',
  'Concat',
]);
const angles = new Set([...views, 'Mul', 'MatMul', 'Einsum']);

/**
 * Trained parameters of a model: every weight once, quantised ones by how many weights they stand for.
 * Not counted: integers that index or shape, lone scalars, scales and zero points, rotary frequencies and
 * their tables, and tensors of ones that only broadcast. `tied` says whether a head stored apart from the
 * embedding table is the same weights again; by default the two are compared.
 */
export function countParameters(model: ModelProto, tied?: boolean): number {
  return graphParameters(model.graph) - tiedHeadSize(model.graph, tied);
}

function graphParameters(graph: GraphProto): number {
  const uses = usesOf(graph);
  const constants = new Set((graph.initializer ?? []).map(({ name }) => name ?? ''));
  for (const { opType, output } of graph.node ?? [])
    if (opType === 'Constant') constants.add(output?.[0] ?? '');
  let count = 0;
  for (const tensor of weightsOf(graph)) count += weightsIn(tensor, uses, constants);
  for (const { attribute } of graph.node ?? [])
    for (const { g } of attribute ?? []) if (g) count += graphParameters(g);
  return count;
}

/** Some exporters keep weights in Constant nodes. */
function weightsOf(graph: GraphProto): TensorProto[] {
  const inNodes = (graph.node ?? []).flatMap(({ opType, output, attribute }) => {
    const value = opType === 'Constant' ? attribute?.find(({ name }) => name === 'value')?.t : undefined;
    return value ? [{ ...value, name: output?.[0] ?? '' }] : [];
  });
  return [...(graph.initializer ?? []), ...inNodes];
}

function usesOf(graph: GraphProto): Map<string, Use[]> {
  const uses = new Map<string, Use[]>();
  for (const node of graph.node ?? []) {
    node.input?.forEach((name, index) => {
      const list = uses.get(name);
      if (list) list.push({ node, index });
      else uses.set(name, [{ node, index }]);
    });
  }
  return uses;
}

function weightsIn(tensor: TensorProto, uses: Map<string, Use[]>, constants: Set<string>): number {
  const name = tensor.name ?? '';
  const size = elementCount(tensor.dims ?? []);
  const used = uses.get(name) ?? [];
  if (!isFloat(tensor.dataType ?? 0)) {
    const use = used.find(({ node, index }) => quantisedWeights[node.opType]?.includes(index));
    return use && isQuantised(tensor, use) ? logicalSize(tensor, size, use) : 0;
  }
  if (size <= 1) return 0;
  if (used.length > 0 && used.every(({ node, index }) => settings[node.opType]?.includes(index))) return 0;
  if (used.some(({ node }) => isDynamicScale(node, name, uses))) return 0;
  if (leadsOnlyToAngles(name, uses) || isRotaryTable(name, uses, constants, false)) return 0;
  if (broadcasts(tensor, used)) return 0;
  return size;
}

function isQuantised(tensor: TensorProto, { node, index }: Use): boolean {
  const type = tensor.dataType;
  if (type === DataType.int32) return node.opType === 'DequantizeLinear' || index > 3;
  return (
    type === DataType.int8 || type === DataType.uint8 || type === DataType.int4 || type === DataType.uint4
  );
}

/** Packed weights stand for more than their elements. */
function logicalSize(tensor: TensorProto, size: number, { node }: Use): number {
  const attributes = new Attributes(node.attribute);
  if (node.opType === 'MatMulNBits' || node.opType === 'MatMulBnb4') {
    return attributes.int('K', 0) * attributes.int('N', 0);
  }
  if (node.opType === 'QMoE') return (size * 8) / attributes.int('expert_weight_bits', 4);
  const packed = node.opType === 'GatherBlockQuantized' && tensor.dataType === DataType.uint8;
  return packed ? (size * 8) / attributes.int('bits', 4) : size;
}

/** A weight's scale that is multiplied with the scale of activations quantised as they come. */
function isDynamicScale(node: NodeProto, name: string, uses: Map<string, Use[]>): boolean {
  if (node.opType !== 'Mul') return false;
  const other = node.input?.find((input) => input !== name);
  return other !== undefined && dynamicScales(uses).has(other);
}

const scalesOfGraph = new WeakMap<Map<string, Use[]>, Set<string>>();

function dynamicScales(uses: Map<string, Use[]>): Set<string> {
  const known = scalesOfGraph.get(uses);
  if (known) return known;
  const scales = new Set<string>();
  for (const list of uses.values())
    for (const { node } of list)
      if (node.opType === 'DynamicQuantizeLinear' && node.output?.[1]) scales.add(node.output[1]);
  scalesOfGraph.set(uses, scales);
  return scales;
}

/** Rotary frequencies: nothing but the angles of sines and cosines is made of them. */
function leadsOnlyToAngles(name: string, uses: Map<string, Use[]>, depth = 0): boolean {
  const used = uses.get(name) ?? [];
  return (
    used.length > 0 &&
    depth < 12 &&
    used.every(
      ({ node }) =>
        node.opType === 'Cos' ||
        node.opType === 'Sin' ||
        (angles.has(node.opType) && leadsOnlyToAngles(node.output?.[0] ?? '', uses, depth + 1)),
    )
  );
}

/** Tables of cosines and sines: their rows are looked up, and then only multiply activations. */
function isRotaryTable(
  name: string,
  uses: Map<string, Use[]>,
  constants: Set<string>,
  lookedUp: boolean,
  depth = 0,
): boolean {
  const used = uses.get(name) ?? [];
  return (
    used.length > 0 &&
    depth < 12 &&
    used.every(({ node }) => {
      if (node.opType === 'Mul') return lookedUp && node.input!.every((input) => !constants.has(input));
      const looksUp = lookedUp || node.opType === 'Gather' || node.opType === 'Slice';
      return (
        views.has(node.opType) && isRotaryTable(node.output?.[0] ?? '', uses, constants, looksUp, depth + 1)
      );
    })
  );
}

/** Exporters repeat heads by multiplying with ones of the wanted shape. */
function broadcasts(tensor: TensorProto, used: Use[]): boolean {
  return (
    (tensor.dims?.length ?? 0) > 1 &&
    used.every(({ node }) => node.opType === 'Mul') &&
    (numbersOf(tensor, valueLimit)?.every((value) => value === 1) ?? false)
  );
}
