/** Ops that pick, place or rank elements by index. Gathers read only what they gather. */
import { DataType, isFloat } from '../../onnx/tensor-data.js';
import {
  axisOf,
  bytesOfValue,
  extent,
  input,
  int64,
  known,
  type OpContext,
  type OpResult,
  type RuleTable,
  sizeOf,
  tensor,
  UnresolvedShape,
} from '../op-rule.js';
import { coordinates, picked, stridesOf } from './movement.js';

/** Reads only the rows it gathers: an embedding table is charged for its tokens, not for its size. */
function gather(op: OpContext): OpResult {
  const data = input(op, 0);
  const indices = input(op, 1);
  const axis = axisOf(op.attributes.int('axis', 0), data.shape.length);
  const size = extent(data.shape, axis);
  const rank = indices.shape.length;
  const shape = [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)];
  const places = indices.values;
  const strides = stridesOf(indices.shape);
  const output = places
    ? picked(data, shape, (at) => {
        const which = at.slice(axis, axis + rank).reduce((sum, index, on) => sum + index * strides[on]!, 0);
        const index = places[which]!;
        return [...at.slice(0, axis), index < 0 ? index + size : index, ...at.slice(axis + rank)];
      })
    : tensor(data.dtype, shape);
  return { outputs: [output], readBytes: { 0: bytesOfValue(output) } };
}

function gatherNd(op: OpContext): OpResult {
  const data = input(op, 0);
  const { shape } = input(op, 1);
  const depth = op.attributes.int('batch_dims', 0) + extent(shape, -1);
  const output = tensor(data.dtype, [...shape.slice(0, -1), ...data.shape.slice(depth)]);
  return { outputs: [output], readBytes: { 0: bytesOfValue(output) } };
}

function gatherElements(op: OpContext): OpResult {
  const output = tensor(input(op, 0).dtype, input(op, 1).shape);
  return { outputs: [output], readBytes: { 0: bytesOfValue(output) } };
}

/** Copies the data and writes the updates over it. */
function scatter(op: OpContext): OpResult {
  const { dtype, shape } = input(op, 0);
  const combines = op.attributes.string('reduction', 'none') !== 'none';
  const elementwise = combines && isFloat(dtype) ? sizeOf(input(op, 2)) : 0;
  return { outputs: [tensor(dtype, shape)], flops: { elementwise } };
}

function oneHot(op: OpContext): OpResult {
  const { shape } = input(op, 0);
  const axis = axisOf(op.attributes.int('axis', -1), shape.length + 1);
  return { outputs: [tensor(input(op, 2).dtype, shape.toSpliced(axis, 0, known(op, 1)[0]!))] };
}

function nonZero(op: OpContext): OpResult {
  const { shape } = input(op, 0);
  const values = known(op, 0);
  const found = coordinates(shape).filter((_, index) => values[index] !== 0);
  return {
    outputs: [
      int64(
        [shape.length, found.length],
        shape.flatMap((_, axis) => found.map((at) => at[axis]!)),
      ),
    ],
  };
}

function topK(op: OpContext): OpResult {
  const { dtype, shape } = input(op, 0);
  const axis = axisOf(op.attributes.int('axis', -1), shape.length);
  const kept = shape.with(axis, op.inputs[1] ? known(op, 1)[0]! : op.attributes.int('k', 1));
  return { outputs: [tensor(dtype, kept), int64(kept)] };
}

function compress(op: OpContext): OpResult {
  throw new UnresolvedShape(`how many elements ${op.opType} keeps depends on the data`);
}

/** Rows of a table quantised in blocks, dequantised as they are gathered. */
function gatherBlockQuantized(op: OpContext): OpResult {
  const data = input(op, 0);
  const indices = input(op, 1);
  const scales = input(op, 2);
  const bits = op.attributes.int('bits', 4);
  const axis = axisOf(op.attributes.int('gather_axis', 0), data.shape.length);
  const perElement = data.dtype === DataType.uint8 ? 8 / bits : 1;
  const row = data.shape
    .slice(axis + 1)
    .map((size, at, { length }) => (at === length - 1 ? size * perElement : size));
  const output = tensor(scales.dtype, [...data.shape.slice(0, axis), ...indices.shape, ...row]);
  const share = sizeOf(output) / (sizeOf(data) * perElement);
  const readBytes: Record<number, number> = {
    0: (sizeOf(output) * bits) / 8,
    2: bytesOfValue(scales) * share,
  };
  const zeroPoints = op.inputs[3];
  if (zeroPoints) readBytes[3] = bytesOfValue(zeroPoints) * share;
  return { outputs: [output], readBytes, flops: { elementwise: 2 * sizeOf(output) } };
}

function argReduce(op: OpContext): OpResult {
  const { shape } = input(op, 0);
  const axis = axisOf(op.attributes.int('axis', 0), shape.length);
  const keep = op.attributes.int('keepdims', 1) === 1;
  return { outputs: [int64(keep ? shape.with(axis, 1) : shape.toSpliced(axis, 1))] };
}

export const indexingRules: RuleTable = {
  Gather: gather,
  GatherND: gatherNd,
  GatherElements: gatherElements,
  GatherBlockQuantized: gatherBlockQuantized,
  ScatterND: scatter,
  ScatterElements: scatter,
  Scatter: scatter,
  TensorScatter: scatter,
  OneHot: oneHot,
  NonZero: nonZero,
  TopK: topK,
  Compress: compress,
  Unique: compress,
  NonMaxSuppression: compress,
  ArgMax: argReduce,
  ArgMin: argReduce,
};
