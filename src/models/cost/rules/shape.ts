/** Ops that make shapes and views: ONNX Runtime neither computes nor copies for them. */
import { DataType, elementCount, numbersOf } from '../../onnx/tensor-data.js';
import {
  axisOf,
  extent,
  input,
  int64,
  known,
  listed,
  type OpContext,
  type OpResult,
  type RuleTable,
  ShapeMismatch,
  sizeOf,
  tensor,
  UnresolvedShape,
  valueLimit,
} from '../op-rule.js';

function view(op: OpContext, shape: readonly number[]): OpResult {
  const { dtype, values } = input(op, 0);
  return { outputs: [tensor(dtype, shape, values)], free: true };
}

function shapeOf(op: OpContext): OpResult {
  const { shape } = input(op, 0);
  const part = shape.slice(
    op.attributes.int('start', 0),
    op.attributes.has('end') ? op.attributes.int('end', 0) : undefined,
  );
  return { outputs: [int64([part.length], part)], free: true };
}

function reshape(op: OpContext): OpResult {
  const data = input(op, 0);
  const wanted = [...(op.attributes.ints('shape') ?? known(op, 1))];
  const keepsZero = op.attributes.int('allowzero', 0) === 1;
  const shape = wanted.map((size, axis) => (size === 0 && !keepsZero ? extent(data.shape, axis) : size));
  const open = shape.indexOf(-1);
  if (open >= 0) {
    const rest = elementCount(shape.filter((_, axis) => axis !== open));
    shape[open] = rest === 0 ? 0 : sizeOf(data) / rest;
  }
  if (elementCount(shape) !== sizeOf(data) || shape.some((size) => !Number.isInteger(size))) {
    throw new ShapeMismatch(`[${data.shape}] cannot be reshaped to [${wanted}]`);
  }
  return view(op, shape);
}

function flatten(op: OpContext): OpResult {
  const { shape } = input(op, 0);
  const axis = axisOf(op.attributes.int('axis', 1), shape.length);
  return view(op, [elementCount(shape.slice(0, axis)), elementCount(shape.slice(axis))]);
}

function squeeze(op: OpContext): OpResult {
  const { shape } = input(op, 0);
  const axes = listed(op, 'axes', 1)?.map((axis) => axisOf(axis, shape.length));
  return view(
    op,
    shape.filter((size, axis) => !(axes ? axes.includes(axis) : size === 1)),
  );
}

function unsqueeze(op: OpContext): OpResult {
  const { shape } = input(op, 0);
  const axes = listed(op, 'axes', 1) ?? [];
  const rank = shape.length + axes.length;
  const added = new Set(axes.map((axis) => axisOf(axis, rank)));
  let next = 0;
  return view(
    op,
    Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : shape[next++]!)),
  );
}

function constant(op: OpContext): OpResult {
  const { attributes } = op;
  const proto = attributes.tensor('value');
  const result = (value: ReturnType<typeof tensor>): OpResult => ({
    outputs: [{ ...value, constant: true }],
    free: true,
  });
  if (proto) {
    return result(tensor(proto.dataType ?? DataType.float, proto.dims ?? [], numbersOf(proto, valueLimit)));
  }
  if (attributes.has('value_int')) return result(int64([], [attributes.int('value_int', 0)]));
  if (attributes.has('value_float')) {
    return result(tensor(DataType.float, [], [attributes.float('value_float', 0)]));
  }
  if (attributes.has('sparse_value')) throw new UnresolvedShape('it is a sparse constant');
  const ints = attributes.ints('value_ints');
  if (ints) return result(int64([ints.length], ints));
  const floats = attributes.floats('value_floats');
  if (floats) return result(tensor(DataType.float, [floats.length], floats));
  const strings = attributes.strings('value_strings');
  return result(tensor(DataType.string, strings ? [strings] : []));
}

function constantOfShape(op: OpContext): OpResult {
  const shape = known(op, 0);
  const fill = op.attributes.tensor('value');
  const [value = 0] = (fill && numbersOf(fill, 1)) ?? [];
  const count = elementCount(shape);
  const values = count <= valueLimit ? new Array<number>(count).fill(value) : undefined;
  return { outputs: [tensor(fill?.dataType ?? DataType.float, [...shape], values)] };
}

function range(op: OpContext): OpResult {
  const { dtype } = input(op, 0);
  // Of com.microsoft's the step may be left out.
  const step = op.inputs[2] ? known(op, 2)[0]! : 1;
  const [start, limit] = [known(op, 0)[0]!, known(op, 1)[0]!];
  const count = Math.max(0, Math.ceil((limit - start) / step));
  const values =
    count <= valueLimit ? Array.from({ length: count }, (_, index) => start + index * step) : undefined;
  return { outputs: [tensor(dtype, [count], values)] };
}

/** At inference dropout passes its input on; its mask, where asked for, is all ones. */
function dropout(op: OpContext): OpResult {
  const { dtype, shape } = input(op, 0);
  const passed = view(op, shape);
  const mask = tensor(op.opset < 10 ? dtype : DataType.bool, shape);
  const training = op.inputs[2];
  return {
    ...passed,
    outputs: [...passed.outputs, mask].slice(0, op.outputCount),
    free: op.outputCount < 2,
    ...(training && training.values?.[0] !== 0 && { inexact: 'it may be in training mode' }),
  };
}

const same = (op: OpContext): OpResult => view(op, input(op, 0).shape);

export const shapeRules: RuleTable = {
  Shape: shapeOf,
  Size: (op) => ({ outputs: [int64([], [sizeOf(input(op, 0))])], free: true }),
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Range: range,
  Identity: same,
  Dropout: dropout,
};
