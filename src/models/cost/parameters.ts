import { log } from '../../core/log.js';
import { Attributes } from '../onnx/attributes.js';
import type { GraphProto, ModelProto, NodeProto, TensorProto } from '../onnx/proto.js';
import { DataType, elementCount, isFloat, numbersOf } from '../onnx/tensor-data.js';
import { inOrder } from './node-order.js';
import { sizeOf, type Value, valueLimit } from './op-rule.js';
import { ruleFor } from './rules/index.js';
import { tiedHeadSize } from './tied-head.js';

interface Use {
  node: NodeProto;
  index: number;
}

/** Inputs that hold quantised weights, of operators that take any. */
const quantisedWeights: ReadonlyMap<string, number[]> = new Map([
  ['MatMulNBits', [1]],
  ['MatMulBnb4', [1]],
  ['QMoE', [2, 5, 8]],
  ['Gather', [0]],
  ['GatherBlockQuantized', [0]],
  ['MatMulInteger', [0, 1]],
  ['MatMulIntegerToFloat', [1]],
  ['DynamicQuantizeMatMul', [1]],
  ['DynamicQuantizeLSTM', [1, 2]],
  ['DequantizeLinear', [0]],
  ['QLinearMatMul', [0, 3]],
  ['QLinearConv', [3, 8]],
  ['QGemm', [3, 6]],
  ['ConvInteger', [1]],
  ['MatMulInteger16', [0, 1]],
  ['QAttention', [1]],
]);

/** Inputs in floating point that say how to compute: scales, rotary tables, sizes, statistics. */
const settings: ReadonlyMap<string, number[]> = new Map([
  ['MatMulNBits', [2, 3]],
  ['MatMulBnb4', [2]],
  ['QMoE', [3, 6, 9, 11, 12, 13]],
  ['GatherBlockQuantized', [2, 3]],
  ['MatMulIntegerToFloat', [2, 3, 4, 5]],
  ['DynamicQuantizeMatMul', [2, 3]],
  ['DynamicQuantizeLSTM', [8, 9, 10, 11]],
  ['DequantizeLinear', [1, 2]],
  ['QuantizeLinear', [1, 2]],
  ['QLinearMatMul', [1, 2, 4, 5, 6, 7]],
  ['QLinearConv', [1, 2, 4, 5, 6, 7]],
  ['QGemm', [1, 2, 4, 5, 7, 8]],
  ['QAttention', [3, 4, 6, 7]],
  ['GroupQueryAttention', [7, 8, 12, 13]],
  ['RotaryEmbedding', [1, 2, 3]],
  ['Resize', [1, 2, 3]],
  ['Upsample', [1]],
  // Running mean and variance are statistics, not trained.
  ['BatchNormalization', [3, 4]],
]);

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
  return graphParameters(model.graph) - tiedHeadSize(model.graph, tied) + generatedParameters(model);
}

/** Steps on which a tensor made of a fill is a mask or an initial state, and no weight. */
const masking = new Set(['Trilu', 'Where', 'Less', 'Greater', 'Equal', 'Softmax']);
const states: ReadonlyMap<string, number[]> = new Map([
  ['LSTM', [4, 5, 6]],
  ['GRU', [4, 5]],
  ['RNN', [4, 5]],
]);

/**
 * Weights that a graph holds as a fill and a shape (ConstantOfShape and what else makes a tensor of constants
 * alone): they are multiplied like any other.
 */
function generatedParameters({ graph }: ModelProto): number {
  const nodes = inOrder(graph.node ?? []);
  const constants = new Map<string, Value>();
  for (const tensor of weightsOf(graph)) constants.set(tensor.name ?? '', initializerValue(tensor));
  const uses = usesOf(graph);
  let count = 0;
  for (const node of nodes) {
    const inputs = (node.input ?? []).map((name) => (name ? constants.get(name) : undefined));
    const isConstant = inputs.length > 0 && inputs.every((value, index) => value ?? !node.input![index]);
    if (!isConstant || node.opType === 'DequantizeLinear') continue;
    const output = foldedOutput(node, inputs);
    const name = node.output?.[0] ?? '';
    if (!output || !name) continue;
    constants.set(name, output);
    // What is made of a weight is that weight again.
    const fromWeights = inputs.some(
      (value) => value && (isFloat(value.dtype) || isNarrow(value)) && sizeOf(value) > 1,
    );
    if (fromWeights || !isFloat(output.dtype) || sizeOf(output) <= 1) continue;
    if (isMultiplied(name, uses)) count += sizeOf(output);
  }
  return count;
}

const narrowTypes = new Set<number>([
  DataType.int8,
  DataType.uint8,
  DataType.int4,
  DataType.uint4,
  DataType.int16,
  DataType.uint16,
]);
const isNarrow = ({ dtype }: Value) => narrowTypes.has(dtype);

function initializerValue(tensor: TensorProto): Value {
  const values = isFloat(tensor.dataType ?? 0) ? undefined : numbersOf(tensor, valueLimit);
  return { shape: tensor.dims ?? [], dtype: tensor.dataType ?? 0, values, constant: true };
}

/** The first output of a node of constants, by its operator's rule; undefined where it has none. */
function foldedOutput(node: NodeProto, inputs: (Value | undefined)[]): Value | undefined {
  const rule = ruleFor(node.domain ?? '', node.opType);
  if (!rule) return undefined;
  try {
    const [output] = rule({
      opType: node.opType,
      attributes: new Attributes(node.attribute),
      opset: Number.MAX_SAFE_INTEGER,
      inputs,
      outputCount: node.output?.length ?? 0,
      causal: null,
    }).outputs;
    return output?.shape.every((size) => Number.isSafeInteger(size) && size >= 0) ? output : undefined;
  } catch (thrown) {
    // The graph as a whole is counted elsewhere, which says what is wrong with it.
    log('constant node %s (%s) is not folded: %s', node.name, node.opType, thrown);
    return undefined;
  }
}

/** Whether a tensor of a fill is multiplied with data, however it is laid out before. */
function isMultiplied(start: string, uses: Map<string, Use[]>): boolean {
  const seen = new Set<string>();
  const open = [start];
  let multiplied = false;
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    for (const { node, index } of uses.get(name) ?? []) {
      if (masking.has(node.opType) || states.get(node.opType)?.includes(index)) return false;
      if (views.has(node.opType)) open.push(node.output?.[0] ?? '');
      else multiplied = true;
    }
  }
  return multiplied && !leadsOnlyToAngles(start, uses);
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
    const use = quantisedUse(tensor, uses);
    return use ? logicalSize(tensor, size, use) : 0;
  }
  if (size <= 1) return 0;
  if (used.length > 0 && used.every(({ node, index }) => settings.get(node.opType)?.includes(index)))
    return 0;
  if (used.some(({ node }) => isDynamicScale(node, name, uses))) return 0;
  if (leadsOnlyToAngles(name, uses) || isRotaryTable(name, uses, constants)) return 0;
  if (broadcasts(tensor, used)) return 0;
  return size;
}

/** Where quantised weights go that are only laid out anew, or cast to floating point, before. */
function quantisedUse(tensor: TensorProto, uses: Map<string, Use[]>): Use | undefined {
  const seen = new Set<string>();
  const open = [tensor.name ?? ''];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    for (const use of uses.get(name) ?? []) {
      const { node, index } = use;
      if (quantisedWeights.get(node.opType)?.includes(index) && isQuantised(tensor, use)) return use;
      if (node.opType === 'Cast' && narrowTypes.has(tensor.dataType ?? 0)) {
        // Only the large are weights: the small are zero points and settings.
        const to = new Attributes(node.attribute).int('to', 0);
        if (isFloat(to) && (tensor.dims?.length ?? 0) > 1) return use;
      }
      if (layouts.has(node.opType) && index === 0) open.push(node.output?.[0] ?? '');
    }
  }
  return undefined;
}

const layouts = new Set(['Reshape', 'Transpose', 'Identity', 'Squeeze', 'Unsqueeze', 'Flatten']);

function isQuantised(tensor: TensorProto, { node, index }: Use): boolean {
  const type = tensor.dataType ?? 0;
  if (type === DataType.int32) return node.opType === 'DequantizeLinear' || index > 3;
  return narrowTypes.has(type);
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
function leadsOnlyToAngles(start: string, uses: Map<string, Use[]>): boolean {
  const seen = new Set<string>();
  const open = [start];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const used = uses.get(name) ?? [];
    if (used.length === 0) return false;
    for (const { node } of used) {
      if (node.opType === 'Cos' || node.opType === 'Sin') continue;
      if (!angles.has(node.opType)) return false;
      open.push(node.output?.[0] ?? '');
    }
  }
  return true;
}

/** Tables of cosines and sines: their rows are looked up, and then only multiply activations. */
function isRotaryTable(start: string, uses: Map<string, Use[]>, constants: Set<string>): boolean {
  const seen = new Set<string>();
  const open = [{ name: start, lookedUp: false }];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const { name, lookedUp } = at;
    const key = `${lookedUp}:${name}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const used = uses.get(name) ?? [];
    if (used.length === 0) return false;
    for (const { node } of used) {
      if (node.opType === 'Mul') {
        if (!lookedUp || node.input!.some((input) => constants.has(input))) return false;
        continue;
      }
      if (!views.has(node.opType)) return false;
      const looksUp = lookedUp || node.opType === 'Gather' || node.opType === 'Slice';
      open.push({ name: node.output?.[0] ?? '', lookedUp: looksUp });
    }
  }
  return true;
}

/** Exporters repeat heads by multiplying with ones of the wanted shape. */
function broadcasts(tensor: TensorProto, used: Use[]): boolean {
  return (
    (tensor.dims?.length ?? 0) > 1 &&
    used.every(({ node }) => node.opType === 'Mul') &&
    (numbersOf(tensor, valueLimit)?.every((value) => value === 1) ?? false)
  );
}
