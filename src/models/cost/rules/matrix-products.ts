/** Matrix products in floating point: 2 FLOP a multiply-add, counted from the shapes. */
import { elementCount } from '../../onnx/tensor-data.js';
import { einsum } from '../any-graph/einsum.js';
import {
  broadcast,
  type CausalRole,
  extent,
  input,
  type NodeFlops,
  type OpContext,
  type OpResult,
  type RuleTable,
  ShapeMismatch,
  sizeOf,
  tensor,
} from '../op-rule.js';
import { activationFlops } from './elementwise.js';

/** `batches` products of [rows, inner]·[inner, columns]; `shape` is the result's. */
export interface Product {
  shape: number[];
  batches: number;
  rows: number;
  columns: number;
  inner: number;
}

/** The product of `a` and `b` by numpy.matmul's rules. */
export function productOf(a: readonly number[], b: readonly number[]): Product {
  if (a.length === 0 || b.length === 0) throw new ShapeMismatch('a scalar has no matrix product');
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  const [rows, inner] = [extent(left, -2), extent(left, -1)];
  const columns = extent(right, -1);
  if (inner !== extent(right, -2)) throw new ShapeMismatch(`[${a}] cannot be multiplied by [${b}]`);
  const leading = broadcast(left.slice(0, -2), right.slice(0, -2));
  const shape = [...leading, ...(a.length === 1 ? [] : [rows]), ...(b.length === 1 ? [] : [columns])];
  return { shape, batches: elementCount(leading), rows, columns, inner };
}

/**
 * Pairs of query and key that causality leaves: query i of n, behind `past` positions, sees keys up to its
 * own, past + i + 1 of them.
 */
export function causalPairs(queries: number, keys: number, past: number): number {
  // Queries beyond the last key see all of them.
  const partial = Math.min(queries, Math.max(0, keys - past));
  return partial * past + (partial * (partial + 1)) / 2 + (queries - partial) * keys;
}

/**
 * Pairs that causality and a sliding window leave: each query sees its own position and the `window` − 1 before
 * it at most.
 */
export function windowedPairs(queries: number, keys: number, past: number, window: number): number {
  // Query i sees min(window, past + i + 1) keys, so those before `open` see fewer than a window.
  const open = Math.min(queries, Math.max(0, window - past));
  return causalPairs(open, keys, past) + (queries - open) * Math.min(window, keys);
}

/** FLOPs of a product. In a causal attention rows are queries, the last of which sees every key. */
export function productFlops(product: Product, role: CausalRole | null): NodeFlops {
  const { batches, rows, columns, inner } = product;
  const matmul = 2 * batches * rows * columns * inner;
  if (role === null) return { matmul };
  const [keys, headSize] = role === 'scores' ? [columns, inner] : [inner, columns];
  const pairs = causalPairs(rows, keys, Math.max(0, keys - rows));
  return { matmul, causal: 2 * batches * headSize * pairs };
}

function matMul(op: OpContext): OpResult {
  const a = input(op, 0);
  const product = productOf(a.shape, input(op, 1).shape);
  return { outputs: [tensor(a.dtype, product.shape)], flops: productFlops(product, op.causal) };
}

function gemm(op: OpContext): OpResult {
  const a = input(op, 0);
  const left = op.attributes.int('transA', 0) ? a.shape.toReversed() : a.shape;
  const { shape } = input(op, 1);
  const product = productOf(left, op.attributes.int('transB', 0) ? shape.toReversed() : shape);
  const flops = productFlops(product, null);
  const count = elementCount(product.shape);
  const scaled = op.attributes.float('alpha', 1) === 1 ? 0 : count;
  const bias = op.inputs[2] ? count : 0;
  const biasScaled = op.inputs[2] && op.attributes.float('beta', 1) !== 1 ? sizeOf(op.inputs[2]) : 0;
  // Of com.microsoft FusedGemm.
  const activation = op.attributes.has('activation')
    ? activationFlops(op.attributes.string('activation', '')) * count
    : 0;
  flops.elementwise = scaled + bias + biasScaled + activation;
  return { outputs: [tensor(a.dtype, product.shape)], flops };
}

/** com.microsoft FusedMatMul: MatMul with transposed operands and a scale. */
function fusedMatMul(op: OpContext): OpResult {
  const a = input(op, 0);
  const operand = (index: number, name: 'A' | 'B') => {
    let { shape } = input(op, index);
    // transBatch moves the first dimension to just before the columns: [M, batches, K] is batches × [M, K].
    if (op.attributes.int(`transBatch${name}`, 0)) shape = [...shape.slice(1, -1), shape[0]!, shape.at(-1)!];
    return op.attributes.int(`trans${name}`, 0) ? swapped(shape) : shape;
  };
  const product = productOf(operand(0, 'A'), operand(1, 'B'));
  const flops = productFlops(product, op.causal);
  if (op.attributes.float('alpha', 1) !== 1) flops.elementwise = elementCount(product.shape);
  return { outputs: [tensor(a.dtype, product.shape)], flops };
}

function swapped(shape: readonly number[]): number[] {
  return shape.length < 2 ? [...shape] : [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!];
}

export const matrixProductRules: RuleTable = {
  MatMul: matMul,
  Gemm: gemm,
  FusedGemm: gemm,
  FusedMatMul: fusedMatMul,
  TransposeMatMul: fusedMatMul,
  Einsum: einsum,
};
