/** Convolutions and pooling: shapes by ONNX's padding rules, products by the window each output sees. */
import { elementCount } from '../../onnx/tensor-data.js';
import {
  axisOf,
  extent,
  input,
  int64,
  known,
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
import { activationFlops } from '../rules/elementwise.js';

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
  return {
    outputs: [tensor(data.dtype, output)],
    flops: { matmul: 2 * macs, elementwise: beside(op, output) },
  };
}

/** Bias, and of com.microsoft FusedConv the sum with Z and an activation. */
function beside(op: OpContext, output: readonly number[]): number {
  const activation = op.attributes.has('activation')
    ? activationFlops(op.attributes.string('activation', ''))
    : 0;
  return elementCount(output) * ((op.inputs[2] ? 1 : 0) + (op.inputs[3] ? 1 : 0) + activation);
}

/** com.microsoft NhwcConv: data is [batch, …spatial, channels], weight [outputs, …kernel, channels per group]. */
function channelsLastConv(op: OpContext): OpResult {
  const channelsFirst = (value: Value): Value => {
    const { shape } = value;
    return { ...value, shape: [extent(shape, 0), extent(shape, -1), ...shape.slice(1, -1)] };
  };
  const data = input(op, 0);
  const { output, macs } = convolution(op, channelsFirst(data), channelsFirst(input(op, 1)));
  const [batch, channels, ...spatial] = output as [number, number, ...number[]];
  const shape = [batch, ...spatial, channels];
  return {
    outputs: [tensor(data.dtype, shape)],
    flops: { matmul: 2 * macs, elementwise: op.inputs[2] ? elementCount(shape) : 0 },
  };
}

/**
 * DeformConv: X, W, offsets, bias, mask. Each place of each window is read between four neighbours, 7 FLOP a
 * channel, and scaled by the mask where there is one.
 */
function deformableConv(op: OpContext): OpResult {
  const data = input(op, 0);
  const weight = input(op, 1);
  const { output, macs } = convolution(op, data, weight);
  const places = extent(output, 0) * elementCount(output.slice(2)) * elementCount(weight.shape.slice(2));
  const sampled = places * extent(data.shape, 1) * (op.inputs[4] ? 8 : 7);
  return {
    outputs: [tensor(data.dtype, output)],
    flops: { matmul: 2 * macs, elementwise: sampled + (op.inputs[3] ? elementCount(output) : 0) },
  };
}

/**
 * com.microsoft CausalConvWithState: [batch, channels, length] by a kernel [channels, 1, size] of each channel's
 * own, behind a state of the last size − 1 positions.
 */
function causalConv(op: OpContext): OpResult {
  const data = input(op, 0);
  const [batch, channels] = [extent(data.shape, 0), extent(data.shape, 1)];
  const size = extent(input(op, 1).shape, -1);
  const activation = activationFlops(op.attributes.string('activation', 'none'));
  return {
    outputs: [tensor(data.dtype, data.shape), tensor(data.dtype, [batch, channels, size - 1])].slice(
      0,
      op.outputCount,
    ),
    flops: {
      matmul: 2 * sizeOf(data) * size,
      elementwise: sizeOf(data) * (activation + (op.inputs[2] ? 1 : 0)),
    },
  };
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
  const output = resizedShape(op, data.shape);
  const mode = op.attributes.string('mode', 'nearest');
  const taps = mode === 'nearest' ? 0 : mode === 'cubic' ? 4 : 2;
  const resized = output.filter((size, axis) => size !== data.shape[axis]).length;
  const elementwise = taps === 0 ? 0 : 2 * taps ** resized * elementCount(output);
  const antialias = taps > 0 && op.attributes.int('antialias', 0) === 1;
  return {
    outputs: [tensor(data.dtype, output)],
    flops: { elementwise },
    ...(antialias && { inexact: 'it is antialiased, over as many neighbours as its scales say' }),
  };
}

/** Scales from an input (Resize 10, Upsample 9), attributes (Upsample 1 and 7), or scales or sizes after a region. */
function resizedShape(op: OpContext, shape: readonly number[]): number[] {
  const { attributes } = op;
  const given = (at: number) => (op.inputs[at] && sizeOf(op.inputs[at]) > 0 ? known(op, at) : undefined);
  const late = op.opType === 'Resize' && op.opset >= 11;
  const sizes = late ? given(3) : undefined;
  const scales = sizes
    ? undefined
    : (attributes.floats('scales') ?? heightAndWidth(op) ?? given(late ? 2 : 1));
  const axes = (attributes.ints('axes') ?? [...shape.keys()]).map((axis) => axisOf(axis, shape.length));
  const list = sizes ?? scales;
  if (list?.length !== axes.length)
    throw new ShapeMismatch('it is given neither sizes nor scales for its axes');
  const output = [...shape];
  if (scales) {
    const crops = attributes.string('coordinate_transformation_mode', '') === 'tf_crop_and_resize';
    const region = crops ? known(op, 1) : undefined;
    axes.forEach((axis, at) => {
      const part = region ? region[at + axes.length]! - region[at]! : 1;
      // ONNX Runtime multiplies in float32: 3 · fround(5/3) is 5 there, and 4.99… in double precision.
      output[axis] = Math.floor(Math.fround(Math.fround(shape[axis]! * part) * Math.fround(scales[at]!)));
    });
    return output;
  }
  const policy = attributes.string('keep_aspect_ratio_policy', 'stretch');
  const ratios = axes.map((axis, at) => Math.fround(sizes![at]! / shape[axis]!));
  const ratio = policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
  axes.forEach((axis, at) => {
    output[axis] = policy === 'stretch' ? sizes![at]! : Math.round(Math.fround(ratio * shape[axis]!));
  });
  return output;
}

function heightAndWidth({ attributes }: OpContext): number[] | undefined {
  if (!attributes.has('height_scale')) return undefined;
  return [1, 1, attributes.float('height_scale', 1), attributes.float('width_scale', 1)];
}

export const convolutionRules: RuleTable = {
  Conv: conv,
  FusedConv: conv,
  NhwcConv: channelsLastConv,
  DeformConv: deformableConv,
  CausalConvWithState: causalConv,
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
