import { DataType } from '../../onnx/tensor-data.js';
import {
  axisOf,
  extent,
  input,
  known,
  type OpContext,
  type OpResult,
  type RuleTable,
  sizeOf,
  tensor,
} from '../op-rule.js';

/**
 * DFT of [.., signal, .., 1 or 2]: 5·N·log₂N FLOP a signal by the usual count of a radix-2 FFT of complex
 * numbers (Cooley and Tukey, 1965), elementwise. Lengths that are no power of two take a detour that is not
 * counted.
 */
function dft(op: OpContext): OpResult {
  const data = input(op, 0);
  const rank = data.shape.length;
  // From opset 20 on the axis is an input, and the last but one by default.
  const given = op.inputs[2] ? known(op, 2)[0]! : op.attributes.int('axis', op.opset < 20 ? 1 : -2);
  const axis = axisOf(given, rank);
  const length = op.inputs[1] ? known(op, 1)[0]! : extent(data.shape, axis);
  const onesided = op.attributes.int('onesided', 0) === 1;
  const shape = data.shape.with(axis, onesided ? Math.floor(length / 2) + 1 : length).with(-1, 2);
  const signals = sizeOf(data) / extent(data.shape, axis) / extent(data.shape, -1);
  const steps = Math.log2(length);
  return {
    outputs: [tensor(data.dtype ?? DataType.float, shape)],
    flops: { elementwise: 5 * signals * length * Math.ceil(steps) },
    ...(!Number.isInteger(steps) && { inexact: `a signal of ${length} is no power of two` }),
    ...(onesided && op.attributes.int('inverse', 0) === 1 && { inexact: 'it is inverse and one-sided' }),
  };
}

export const spectralRules: RuleTable = { DFT: dft };
