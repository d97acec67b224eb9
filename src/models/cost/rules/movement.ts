/** Ops that copy elements about: no FLOPs, but bytes. Small known tensors are moved for real. */
import { DataType, elementCount } from '../../onnx/tensor-data.js';
import {
  axisOf,
  broadcast,
  broadcastIndices,
  bytesOfValue,
  extent,
  input,
  known,
  listed,
  type OpContext,
  type OpResult,
  type RuleTable,
  ShapeMismatch,
  tensor,
  UnresolvedShape,
  type Value,
  valueLimit,
} from '../op-rule.js';

/** `data` with the element of each output place taken from `source(coordinates)`. */
export function picked(data: Value, shape: number[], source: (at: number[]) => number[]): Value {
  if (!data.values || elementCount(shape) > valueLimit) return tensor(data.dtype, shape);
  const strides = stridesOf(data.shape);
  const values = coordinates(shape).map((at) => {
    const from = source(at);
    return data.values![from.reduce((sum, index, axis) => sum + index * strides[axis]!, 0)]!;
  });
  return tensor(data.dtype, shape, values);
}

export function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
}

export function coordinates(shape: readonly number[]): number[][] {
  let list: number[][] = [[]];
  for (const size of shape) {
    list = list.flatMap((at) => Array.from({ length: size }, (_, index) => [...at, index]));
  }
  return list;
}

/** Reads only as much of its first input as it gives out. */
function partial(op: OpContext, ...outputs: Value[]): OpResult {
  const given = outputs.reduce((sum, value) => sum + bytesOfValue(value), 0);
  return { outputs, readBytes: { 0: Math.min(given, bytesOfValue(input(op, 0))) } };
}

function transpose(op: OpContext): OpResult {
  const data = input(op, 0);
  const order = op.attributes.ints('perm') ?? data.shape.map((_, axis) => data.shape.length - 1 - axis);
  const shape = order.map((axis) => extent(data.shape, axis));
  const output = picked(data, shape, (at) => data.shape.map((_, axis) => at[order.indexOf(axis)]!));
  return { outputs: [output] };
}

function concat(op: OpContext): OpResult {
  const parts = op.inputs.map((_, index) => input(op, index));
  const first = input(op, 0);
  // Before opset 4 it could be left out.
  const axis = axisOf(op.attributes.int('axis', op.opset < 4 ? 1 : 0), first.shape.length);
  for (const { shape } of parts) {
    if (
      shape.length !== first.shape.length ||
      shape.some((size, at) => at !== axis && size !== first.shape[at])
    )
      throw new ShapeMismatch(
        `[${parts.map((part) => part.shape).join('] and [')}] do not join on axis ${axis}`,
      );
  }
  const shape = [...first.shape];
  shape[axis] = parts.reduce((sum, part) => sum + part.shape[axis]!, 0);
  // Only vectors carry shape arithmetic on.
  const values = shape.length === 1 && parts.every((part) => part.values);
  return {
    outputs: [tensor(first.dtype, shape, values ? parts.flatMap((part) => part.values!) : undefined)],
  };
}

function slice(op: OpContext): OpResult {
  const data = input(op, 0);
  const starts = listed(op, 'starts', 1) ?? [];
  const ends = listed(op, 'ends', 2) ?? [];
  const axes = listed(op, 'axes', 3) ?? starts.map((_, index) => index);
  const steps = (op.inputs[4] && known(op, 4)) ?? starts.map(() => 1);
  const from = data.shape.map(() => 0);
  const by = data.shape.map(() => 1);
  const shape = [...data.shape];
  axes.forEach((given, index) => {
    const axis = axisOf(given, data.shape.length);
    const size = data.shape[axis]!;
    const step = steps[index]!;
    const wrap = (position: number) => (position < 0 ? position + size : position);
    const low = step < 0 ? -1 : 0;
    const high = step < 0 ? size - 1 : size;
    const clamp = (position: number) => Math.min(Math.max(wrap(position), low), high);
    const start = Math.max(0, Math.min(wrap(starts[index]!), step < 0 ? size - 1 : size));
    from[axis] = start;
    by[axis] = step;
    shape[axis] = Math.max(0, Math.ceil((clamp(ends[index]!) - start) / step));
  });
  return partial(
    op,
    picked(data, shape, (at) => at.map((index, axis) => from[axis]! + index * by[axis]!)),
  );
}

function split(op: OpContext): OpResult {
  const data = input(op, 0);
  const axis = axisOf(op.attributes.int('axis', 0), data.shape.length);
  const size = extent(data.shape, axis);
  const each = Math.ceil(size / Math.max(1, op.outputCount));
  const sizes =
    listed(op, 'split', 1) ??
    Array.from({ length: op.outputCount }, (_, index) => Math.min(each, size - index * each));
  let start = 0;
  const outputs = sizes.map((part) => {
    const offset = start;
    start += part;
    const shape = data.shape.with(axis, part);
    return picked(data, shape, (at) => at.map((index, on) => (on === axis ? index + offset : index)));
  });
  return partial(op, ...outputs);
}

function expand(op: OpContext): OpResult {
  const data = input(op, 0);
  const shape = broadcast(data.shape, known(op, 1));
  const values =
    data.values && elementCount(shape) <= valueLimit
      ? broadcastIndices(data.shape, shape).map((place) => data.values![place]!)
      : undefined;
  return { outputs: [tensor(data.dtype, shape, values)] };
}

function tile(op: OpContext): OpResult {
  const data = input(op, 0);
  // Before opset 6 its inputs were a count of tiles and an axis.
  if (op.opset < 6) throw new UnresolvedShape('it is a Tile of opset 1');
  const repeats = known(op, 1);
  const shape = data.shape.map((size, axis) => size * repeats[axis]!);
  return { outputs: [picked(data, shape, (at) => at.map((index, axis) => index % data.shape[axis]!))] };
}

function pad(op: OpContext): OpResult {
  const { dtype, shape } = input(op, 0);
  const pads = listed(op, 'pads', 1) ?? op.attributes.ints('paddings') ?? [];
  const axes = (op.inputs[3] && known(op, 3)) ?? shape.map((_, axis) => axis);
  const padded = [...shape];
  axes.forEach((given, index) => {
    padded[axisOf(given, shape.length)]! += pads[index]! + pads[index + axes.length]!;
  });
  return { outputs: [tensor(dtype, padded)] };
}

function depthToSpace(op: OpContext): OpResult {
  const { dtype, shape } = input(op, 0);
  const block = op.attributes.int('blocksize', 1);
  const [batch, channels, height, width] = shape as [number, number, number, number];
  const output =
    op.opType === 'DepthToSpace'
      ? [batch, channels / block ** 2, height * block, width * block]
      : [batch, channels * block ** 2, height / block, width / block];
  return { outputs: [tensor(dtype, output)] };
}

function eyeLike(op: OpContext): OpResult {
  const { dtype, shape } = input(op, 0);
  return { outputs: [tensor(op.attributes.int('dtype', dtype), shape)] };
}

function random(op: OpContext): OpResult {
  const like = op.inputs[0];
  const shape = op.attributes.ints('shape') ?? like?.shape ?? [];
  return { outputs: [tensor(op.attributes.int('dtype', like?.dtype ?? DataType.float), shape)] };
}

/** Keeps a triangle and writes zeros elsewhere. */
const sameShape = (op: OpContext): OpResult => {
  const { dtype, shape } = input(op, 0);
  return { outputs: [tensor(dtype, shape)] };
};

export const movementRules: RuleTable = {
  Transpose: transpose,
  Concat: concat,
  Slice: slice,
  Split: split,
  Expand: expand,
  Tile: tile,
  Pad: pad,
  DepthToSpace: depthToSpace,
  SpaceToDepth: depthToSpace,
  EyeLike: eyeLike,
  Trilu: sameShape,
  ReverseSequence: sameShape,
  RandomNormal: random,
  RandomNormalLike: random,
  RandomUniform: random,
  RandomUniformLike: random,
};
