/**
 * Quantised products and the ops that quantise and dequantise. `matmul` counts the products as if they
 * were in floating point, so that a model costs the same by that convention in every dtype; what the
 * kernels compute beside them is in `executed`:
 * - MatMulNBits dequantises each weight (subtract, scale: 2 FLOP a weight and pass); with
 *   accuracy_level 4 it instead quantises the activations to 8 bits (3 FLOP each: maximum, scale, round)
 *   and scales each block's integer sum (2 FLOP a block and output element).
 * - Integer products correct for zero points: a row sum over the activations (1 FLOP each) and one
 *   multiply-add per output element; weights' column sums are taken once, when the session is made.
 */
import { DataType, elementCount } from '../../onnx/tensor-data.js';
import { convolution, globalPool, pool } from '../any-graph/convolution.js';
import {
  broadcast,
  extent,
  input,
  type NodeFlops,
  type OpContext,
  type OpResult,
  type Rule,
  type RuleTable,
  sizeOf,
  tensor,
} from '../op-rule.js';
import { type Product, productFlops, productOf } from './matrix-products.js';

function integerFlops(product: Product): NodeFlops {
  const { matmul = 0 } = productFlops(product, null);
  const { batches, rows, columns, inner } = product;
  return { matmul, executed: matmul + batches * rows * (inner + 2 * columns) };
}

/** A product of integers whose operands are inputs `a` and `b` and whose output is of `dtype`. */
function integerProduct(
  a: number,
  b: number,
  dtype: (op: OpContext) => number,
  scaled: boolean,
  bias = -1,
): Rule {
  return (op) => {
    const product = productOf(input(op, a).shape, input(op, b).shape);
    const flops = integerFlops(product);
    const count = elementCount(product.shape);
    if (scaled) flops.elementwise = (op.inputs[bias] ? 3 : 2) * count;
    return { outputs: [tensor(dtype(op), product.shape)], flops };
  };
}

/** Quantises its float input to 8 bits as DynamicQuantizeLinear does, then multiplies. */
function dynamicQuantizeMatMul(op: OpContext): OpResult {
  const a = input(op, 0);
  const product = productOf(a.shape, input(op, 1).shape);
  const flops = integerFlops(product);
  flops.elementwise = 5 * sizeOf(a) + (op.inputs[4] ? 3 : 2) * elementCount(product.shape);
  return { outputs: [tensor(a.dtype, product.shape)], flops };
}

/** com.microsoft QGemm: Gemm on integers; C is int32 and y's scale may be absent, then y is float. */
function qGemm(op: OpContext): OpResult {
  const a = input(op, 0);
  const b = input(op, 3);
  const left = op.attributes.int('transA', 0) ? a.shape.toReversed() : a.shape;
  const product = productOf(left, op.attributes.int('transB', 0) ? b.shape.toReversed() : b.shape);
  const flops = integerFlops(product);
  flops.elementwise = (op.inputs[6] ? 3 : 2) * elementCount(product.shape);
  return { outputs: [tensor(op.inputs[8]?.dtype ?? DataType.float, product.shape)], flops };
}

/** com.microsoft MatMulNBits: B is [N, blocks, bytes per block], its logical shape is in the attributes. */
function matMulNBits(op: OpContext): OpResult {
  const a = input(op, 0);
  const inner = op.attributes.int('K', 0);
  const columns = op.attributes.int('N', 0);
  const product = productOf(a.shape, [inner, columns]);
  const { matmul = 0 } = productFlops(product, null);
  const rows = product.batches * product.rows;
  const blocks = Math.ceil(inner / op.attributes.int('block_size', 32));
  const beside =
    op.attributes.int('accuracy_level', 0) === 4
      ? 3 * rows * inner + 2 * rows * columns * blocks
      : 2 * inner * columns;
  const flops: NodeFlops = { matmul, executed: matmul + beside };
  if (op.inputs[5]) flops.elementwise = rows * columns;
  return { outputs: [tensor(a.dtype, product.shape)], flops };
}

function dequantize(op: OpContext): OpResult {
  const { shape } = input(op, 0);
  // From opset 23 on the type may be named; 0 stands for the scale's.
  const output = tensor(op.attributes.int('output_dtype', 0) || input(op, 1).dtype, shape);
  return { outputs: [output], flops: { elementwise: 2 * sizeOf(output) } };
}

function quantize(op: OpContext): OpResult {
  const { shape } = input(op, 0);
  const dtype = op.inputs[2]?.dtype ?? (op.attributes.int('output_dtype', 0) || DataType.uint8);
  // Divide, round, saturate.
  return { outputs: [tensor(dtype, shape)], flops: { elementwise: 3 * elementCount(shape) } };
}

function dynamicQuantize(op: OpContext): OpResult {
  const { shape } = input(op, 0);
  const outputs = [tensor(DataType.uint8, shape), tensor(DataType.float, []), tensor(DataType.uint8, [])];
  // Minimum, maximum, then as QuantizeLinear.
  return { outputs, flops: { elementwise: 5 * elementCount(shape) } };
}

function qLinearConv(op: OpContext): OpResult {
  const { output, macs } = convolution(op, input(op, 0), input(op, 3));
  const count = elementCount(output);
  const flops = {
    matmul: 2 * macs,
    executed: 2 * macs + 2 * count,
    elementwise: (op.inputs[8] ? 3 : 2) * count,
  };
  return { outputs: [tensor(input(op, 7).dtype, output)], flops };
}

function convInteger(op: OpContext): OpResult {
  const { output, macs } = convolution(op, input(op, 0), input(op, 1));
  const executed = 2 * macs + 2 * elementCount(output);
  return { outputs: [tensor(DataType.int32, output)], flops: { matmul: 2 * macs, executed } };
}

/** com.microsoft QLinear* of two tensors: dequantise both, combine, quantise. */
function qLinearBinary(op: OpContext): OpResult {
  const a = input(op, 0);
  const b = input(op, 3);
  const shape = broadcast(a.shape, b.shape);
  return { outputs: [tensor(a.dtype, shape)], flops: { elementwise: 8 * elementCount(shape) } };
}

/** com.microsoft QLinear* of one tensor: through a table of 256 entries. */
function qLinearUnary(op: OpContext): OpResult {
  const { dtype, shape } = input(op, 0);
  return { outputs: [tensor(dtype, shape)] };
}

function qLinearConcat(op: OpContext): OpResult {
  const parts = op.inputs.filter((_, index) => index >= 2 && (index - 2) % 3 === 0);
  const first = input(op, 2);
  const axis = op.attributes.int('axis', 0);
  const at = axis < 0 ? axis + first.shape.length : axis;
  const joined = parts.reduce((sum, part) => sum + extent(part?.shape ?? [], at), 0);
  const output = tensor(first.dtype, first.shape.with(at, joined));
  return { outputs: [output], flops: { elementwise: 4 * sizeOf(output) } };
}

const int32 = () => DataType.int32;

export const quantisedRules: RuleTable = {
  MatMulInteger: integerProduct(0, 1, int32, false),
  MatMulInteger16: integerProduct(0, 1, int32, false),
  QLinearMatMul: integerProduct(0, 3, (op) => input(op, 7).dtype, true),
  MatMulIntegerToFloat: integerProduct(0, 1, (op) => input(op, 2).dtype, true, 6),
  DynamicQuantizeMatMul: dynamicQuantizeMatMul,
  QGemm: qGemm,
  MatMulNBits: matMulNBits,
  MatMulBnb4: matMulNBits,
  DequantizeLinear: dequantize,
  QuantizeLinear: quantize,
  DynamicQuantizeLinear: dynamicQuantize,
  QLinearConv: qLinearConv,
  ConvInteger: convInteger,
  QLinearAdd: qLinearBinary,
  QLinearMul: qLinearBinary,
  QLinearSigmoid: qLinearUnary,
  QLinearLeakyRelu: qLinearUnary,
  QLinearConcat: qLinearConcat,
  QLinearAveragePool: pool,
  QLinearGlobalAveragePool: globalPool,
};
