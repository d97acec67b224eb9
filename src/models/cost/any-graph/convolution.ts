/** Convolutions and pooling: shapes by ONNX's padding rules, products by the window each output sees. */
import { elementCount } from '../../onnx/tensor-data.js';
import {
  extent,
  input,
  int64,
  listed,
  type OpContext,
  type OpResult,
  type Rule,
  type RuleTable,
  ShapeMismatch,
  sizeOf,
  tensor,
  UnresolvedShape,
  type Value,
} from '../op-rule.js';

export interface Convolution {
  /** [batch, channels, …spatial]. */
  output: number[];
  macs: number;
}

/** `weight` is [output channels, input channels per group, …kernel]. */
export function convolution(op: OpContext, data: Value, weight: Value): Convolution {
  const [batch, channels] = [extent(data.shape, 0), extent(data.shape, 1)];
  const [outputs, perGroup] = [extent(weight.shape, 0), extent(weight.shape, 1)];
  if (perGroup * op.attributes.int('group', 1) !== channels) {
    throw new ShapeMismatch(`a kernel [${weight.shape}] does not fit [${data.shape}]`);
  }
  const kernel = weight.shape.slice(2);
  const output = [batch, outputs, ...windowed(op, data.shape.slice(2), kernel)];
  // Each output element sums its group's input channels over the kernel.
  return { output, macs: elementCount(output) * perGroup * elementCount(kernel) };
}

/** Positions a sliding window of `kernel` takes in `spatial`. */
function windowed(op: OpContext, spatial: readonly number[], kernel: readonly number[]): number[] {
  const { attributes } = op;
  const strides = attributes.ints('strides') ?? spatial.map(() => 1);
  const dilations = attributes.ints('dilations') ?? spatial.map(() => 1);
  const pads = attributes.ints('pads') ?? spatial.flatMap(() => [0, 0]);
  const auto = attributes.string('auto_pad', 'NOTSET');
  const ceil = attributes.int('ceil_mode', 0) === 1;
  return spatial.map((size, axis) => {
    const reach = dilations[axis]! * (kernel[axis]! - 1) + 1;
    const stride = strides[axis]!;
    if (auto.startsWith('SAME')) return Math.ceil(size / stride);
    const padded = auto === 'VALID' ? size : size + pads[axis]! + pads[axis + spatial.length]!;
    const steps = (padded - reach) / stride;
    if (steps < 0) throw new ShapeMismatch(`a window of ${reach} is larger than ${padded}`);
    if (!ceil) return Math.floor(steps) + 1;
    const count = Math.ceil(steps) + 1;
    // A window that would start in the padding behind the data is dropped.
    return (count - 1) * stride >= size + pads[axis]! ? count - 1 : count;
  });
}

function conv(op: OpContext): OpResult {
  const data = input(op, 0);
  const { output, macs } = convolution(op, data, input(op, 1));
  const bias = op.inputs[2] ? elementCount(output) : 0;
  return { outputs: [tensor(data.dtype, output)], flops: { matmul: 2 * macs, elementwise: bias } };
}

/** Every input element meets every element of the kernel once: weight is [input, output per group, …kernel]. */
function convTranspose(op: OpContext): OpResult {
  const data = input(op, 0);
  const { shape } = input(op, 1);
  const { attributes } = op;
  const spatial = data.shape.slice(2);
  const kernel = shape.slice(2);
  const outputs = extent(shape, 1) * attributes.int('group', 1);
  if (extent(shape, 0) !== extent(data.shape, 1)) {
    throw new ShapeMismatch(`a kernel [${shape}] does not fit [${data.shape}]`);
  }
  const ones = spatial.map(() => 1);
  const zeros = spatial.map(() => 0);
  const strides = attributes.ints('strides') ?? ones;
  const dilations = attributes.ints('dilations') ?? ones;
  const extra = attributes.ints('output_padding') ?? zeros;
  const pads = attributes.ints('pads') ?? [...zeros, ...zeros];
  const auto = attributes.string('auto_pad', 'NOTSET');
  const sizes =
    attributes.ints('output_shape')?.slice(-spatial.length) ??
    spatial.map((size, axis) => {
      const stride = strides[axis]!;
      if (auto.startsWith('SAME')) return size * stride;
      const reach = dilations[axis]! * (kernel[axis]! - 1) + 1;
      return stride * (size - 1) + extra[axis]! + reach - pads[axis]! - pads[axis + spatial.length]!;
    });
  const output = [extent(data.shape, 0), outputs, ...sizes];
  const matmul = 2 * sizeOf(data) * elementCount(shape.slice(1));
  return {
    outputs: [tensor(data.dtype, output)],
    flops: { matmul, elementwise: op.inputs[2] ? elementCount(output) : 0 },
  };
}

/** One FLOP for each element of each window. */
export const pool: Rule = (op) => {
  const data = input(op, 0);
  if (op.attributes.int('channels_last', 0)) throw new UnresolvedShape('its channels come last');
  const kernel = op.attributes.ints('kernel_shape') ?? [];
  const output = [...data.shape.slice(0, 2), ...windowed(op, data.shape.slice(2), kernel)];
  return {
    outputs: [tensor(data.dtype, output), int64(output)].slice(0, op.outputCount),
    flops: { elementwise: elementCount(output) * elementCount(kernel) },
  };
};

export const globalPool: Rule = (op) => {
  const data = input(op, 0);
  const channels = op.attributes.int('channels_last', 0) ? data.shape.length - 1 : 1;
  const output = data.shape.map((size, axis) => (axis === 0 || axis === channels ? size : 1));
  return { outputs: [tensor(data.dtype, output)], flops: { elementwise: sizeOf(data) } };
};

/** Resize and Upsample: nearest copies; linear weighs 2 neighbours per resized axis, cubic 4. */
function resize(op: OpContext): OpResult {
  const data = input(op, 0);
  const rank = data.shape.length;
  const axes = op.attributes.ints('axes') ?? data.shape.map((_, axis) => axis);
  const [scalesAt, sizesAt] = op.opType === 'Upsample' || op.opset < 11 ? [1, -1] : [2, 3];
  const output = [...data.shape];
  const wanted = (at: number) =>
    op.inputs[at] && sizeOf(op.inputs[at]) > 0 ? listed(op, '', at) : undefined;
  const sizes = wanted(sizesAt);
  const scales = op.attributes.floats('scales') ?? (sizes ? undefined : wanted(scalesAt));
  if (!sizes && !scales) throw new ShapeMismatch('neither sizes nor scales are given');
  axes.forEach((axis, index) => {
    const at = axis < 0 ? axis + rank : axis;
    output[at] = sizes ? sizes[index]! : Math.floor(data.shape[at]! * scales![index]!);
  });
  const mode = op.attributes.string('mode', 'nearest');
  const taps = mode === 'nearest' ? 0 : mode === 'cubic' ? 4 : 2;
  const resized = output.filter((size, axis) => size !== data.shape[axis]).length;
  const elementwise = taps === 0 ? 0 : 2 * taps ** resized * elementCount(output);
  return { outputs: [tensor(data.dtype, output)], flops: { elementwise } };
}

export const convolutionRules: RuleTable = {
  Conv: conv,
  FusedConv: conv,
  ConvTranspose: convTranspose,
  MaxPool: pool,
  AveragePool: pool,
  LpPool: pool,
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  GlobalLpPool: globalPool,
  Resize: resize,
  Upsample: resize,
};
