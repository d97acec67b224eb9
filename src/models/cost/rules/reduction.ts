/**
 * Ops that reduce over axes, and the normalisations and softmaxes built of reductions. Their FLOPs count
 * as `elementwise`, per input element:
 * softmax 5 (maximum, subtract, exponential, sum, divide);
 * layer, instance and group norm 8 (mean, subtract, square, sum, scale by the deviation, scale, shift …);
 * RMS norm 4 (square, sum, scale by the root, scale); batch norm 2 (its statistics are folded to a scale
 * and a shift).
 */
import { DataType, elementCount, isFloat } from '../../onnx/tensor-data.js';
import {
  axisOf,
  bytesOfValue,
  extent,
  input,
  known,
  type OpContext,
  type OpResult,
  type Rule,
  type RuleTable,
  ShapeMismatch,
  sizeOf,
  tensor,
  type Value,
} from '../op-rule.js';

function perElement(flops: number, ...outputs: ((op: OpContext) => Value)[]): Rule {
  return (op) => {
    const data = input(op, 0);
    return {
      outputs: [tensor(data.dtype, data.shape), ...outputs.map((make) => make(op))],
      flops: { elementwise: isFloat(data.dtype) ? flops * sizeOf(data) : 0 },
    };
  };
}

const combine = new Map<string, (values: number[]) => number>([
  ['ReduceSum', (values) => values.reduce((a, b) => a + b, 0)],
  ['ReduceProd', (values) => values.reduce((a, b) => a * b, 1)],
  ['ReduceMax', (values) => Math.max(...values)],
  ['ReduceMin', (values) => Math.min(...values)],
]);

const reduce =
  (flops: number): Rule =>
  (op) => {
    const data = input(op, 0);
    const rank = data.shape.length;
    const given = op.attributes.ints('axes') ?? (op.inputs[1] ? known(op, 1) : []);
    if (given.length === 0 && op.attributes.int('noop_with_empty_axes', 0)) {
      return { outputs: [tensor(data.dtype, data.shape, data.values)], free: true };
    }
    const axes = new Set(given.length ? given.map((axis) => axisOf(axis, rank)) : data.shape.keys());
    const keep = op.attributes.int('keepdims', 1) === 1;
    const shape = keep
      ? data.shape.map((size, axis) => (axes.has(axis) ? 1 : size))
      : data.shape.filter((_, axis) => !axes.has(axis));
    // Shape arithmetic reduces whole vectors, if anything.
    const whole = axes.size === rank ? combine.get(op.opType) : undefined;
    const values = data.values && whole ? [whole([...data.values])] : undefined;
    return {
      outputs: [tensor(data.dtype, shape, values)],
      flops: { elementwise: isFloat(data.dtype) ? flops * sizeOf(data) : 0 },
    };
  };

function cumulativeSum(op: OpContext): OpResult {
  const data = input(op, 0);
  const elementwise = isFloat(data.dtype) ? sizeOf(data) : 0;
  return { outputs: [tensor(data.dtype, data.shape)], flops: { elementwise } };
}

/** Mean and inverse deviation, one for each row of the normalised axes. */
function layerNorm(flops: number, axisDefault: number, skip: boolean): Rule {
  return (op) => {
    const data = input(op, 0);
    const axis = axisOf(op.attributes.int('axis', axisDefault), data.shape.length);
    const rows = data.shape.map((size, at) => (at < axis ? size : 1));
    const statistic = tensor(DataType.float, rows);
    const sum = tensor(data.dtype, data.shape);
    // Scale and shift are counted; a layer norm may have no shift, a skip norm may add a bias.
    const shift = op.inputs[skip ? 3 : 2];
    const bias = op.inputs[flops < 8 ? 3 : 4];
    const added = (skip ? 1 + (bias ? 1 : 0) : 0) - (flops === 8 && !shift ? 1 : 0);
    return {
      outputs: [tensor(data.dtype, data.shape), statistic, statistic, sum].slice(0, op.outputCount),
      flops: { elementwise: (flops + added) * sizeOf(data) },
    };
  };
}

/** com.microsoft Skip(Simplified)LayerNormalization: outputs 1 and 2 are left empty at inference. */
function skipNorm(flops: number): Rule {
  const norm = layerNorm(flops, -1, true);
  return (op) => {
    const data = input(op, 0);
    if (extent(data.shape, -1) !== extent(input(op, 2).shape, -1)) {
      throw new ShapeMismatch(`gamma [${input(op, 2).shape}] does not fit [${data.shape}]`);
    }
    return norm(op);
  };
}

/** Word, position and segment rows are gathered and normalised in one op. */
function embedLayerNorm(op: OpContext): OpResult {
  const ids = input(op, 0);
  const word = input(op, 2);
  const output = tensor(word.dtype, [...ids.shape, extent(word.shape, -1)]);
  const rows = bytesOfValue(output);
  const readBytes: Record<number, number> = { 2: rows, 3: rows };
  const tables = op.inputs[4] && op.inputs[1] ? 3 : 2;
  if (tables === 3) readBytes[4] = rows;
  const mask = tensor(DataType.int32, [extent(ids.shape, 0)]);
  return {
    outputs: [output, mask, output].slice(0, op.outputCount),
    readBytes,
    flops: { elementwise: (8 + tables - 1) * sizeOf(output) },
  };
}

/** Sum of squares over `size` channels, then scaled, raised to a power and divided by. */
function localResponseNorm(op: OpContext): OpResult {
  const data = input(op, 0);
  const flops = 2 * op.attributes.int('size', 1) + 3;
  return { outputs: [tensor(data.dtype, data.shape)], flops: { elementwise: flops * sizeOf(data) } };
}

/** com.microsoft GroupNorm: activation 1 is SiLU. */
function groupNorm(op: OpContext): OpResult {
  return perElement(8 + (op.attributes.int('activation', 0) === 1 ? 4 : 0))(op);
}

function batchNorm(op: OpContext): OpResult {
  const data = input(op, 0);
  return {
    outputs: [tensor(data.dtype, data.shape)],
    flops: { elementwise: 2 * elementCount(data.shape) },
  };
}

export const reductionRules: RuleTable = {
  ReduceSum: reduce(1),
  ReduceMean: reduce(1),
  ReduceMax: reduce(1),
  ReduceMin: reduce(1),
  ReduceProd: reduce(1),
  ReduceL1: reduce(2),
  ReduceL2: reduce(2),
  ReduceSumSquare: reduce(2),
  ReduceLogSum: reduce(1),
  ReduceLogSumExp: reduce(2),
  CumSum: cumulativeSum,
  Softmax: perElement(5),
  LogSoftmax: perElement(6),
  Hardmax: perElement(1),
  LayerNormalization: layerNorm(8, -1, false),
  SimplifiedLayerNormalization: layerNorm(4, -1, false),
  RMSNormalization: layerNorm(4, -1, false),
  SkipLayerNormalization: skipNorm(8),
  SkipSimplifiedLayerNormalization: skipNorm(4),
  EmbedLayerNormalization: embedLayerNorm,
  BatchNormalization: batchNorm,
  InstanceNormalization: perElement(8),
  GroupNormalization: perElement(8),
  GroupNorm: groupNorm,
  MeanVarianceNormalization: perElement(6),
  LpNormalization: perElement(3),
  LRN: localResponseNorm,
};
