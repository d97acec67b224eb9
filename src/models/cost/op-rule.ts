import type { Attributes } from '../onnx/attributes.js';
import { DataType, elementCount, storedBytes } from '../onnx/tensor-data.js';

/** Knowledge of a tensor before anything runs. */
export interface Value {
  readonly shape: readonly number[];
  /** TensorProto.DataType. */
  readonly dtype: number;
  /** Elements, row-major, where they are few and follow from shapes and constants alone. */
  readonly values?: readonly number[] | undefined;
  /** An initializer, or folded from initializers when a session is made. */
  readonly constant?: boolean;
}

/** Tensors beyond this many elements are never evaluated, only shaped. */
export const valueLimit = 4096;

/** FLOPs of one node; what is left out is 0, and `executed` and `causal` default to `matmul`. */
export interface NodeFlops {
  matmul?: number;
  executed?: number;
  causal?: number;
  elementwise?: number;
}

/** Experts whose weights a node reads in part. `bytes` are those of all experts. */
export interface NodeExperts {
  count: number;
  perToken: number;
  tokens: number;
  bytes: number;
  /** Which inputs hold them. */
  inputs: number[];
}

export interface OpResult {
  outputs: (Value | undefined)[];
  flops?: NodeFlops;
  /** Why this is not all that the node costs, in words; absent where it is. */
  inexact?: string;
  /** Neither computes nor moves anything: a view, or arithmetic on shapes. */
  free?: boolean;
  /** Bytes really read of an input, by input index, where not all of it is. */
  readBytes?: Record<number, number>;
  /** Bytes really written of an output, by output index, where not all of it is. */
  writtenBytes?: Record<number, number>;
  experts?: NodeExperts;
  /** Positions up to which the node costs what it does without its sliding window. */
  window?: number;
}

/** One node with its inputs resolved. */
export interface OpContext {
  readonly opType: string;
  readonly attributes: Attributes;
  /** Version of the operator set the node belongs to. */
  readonly opset: number;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputCount: number;
  /** The node's part in an attention that the graph around it masks causally. */
  readonly causal: CausalRole | null;
}

/** Query–key products, their product with the values, or a whole attention in one node. */
export type CausalRole = 'scores' | 'values' | 'attention';

/**
 * What one operator costs and what it yields. A rule throws UnresolvedShape where the shapes do not
 * follow from what is known, and ShapeMismatch where the inputs do not fit each other.
 */
export type Rule = (op: OpContext) => OpResult;
export type RuleTable = Record<string, Rule>;

/** No Error: it is thrown for one node after another, and a stack trace each would take longer than the node. */
export class UnresolvedShape {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}
export class ShapeMismatch extends Error {}

export function tensor(dtype: number, shape: readonly number[], values?: readonly number[]): Value {
  return values && values.length <= valueLimit ? { dtype, shape, values } : { dtype, shape };
}

export function sizeOf(value: Value): number {
  return elementCount(value.shape);
}

export function bytesOfValue(value: Value): number {
  return storedBytes(value.dtype, elementCount(value.shape));
}

/** The input at `index`, which the operator requires. */
export function input(op: OpContext, index: number): Value {
  const value = op.inputs[index];
  if (!value) throw new UnresolvedShape(`the shape of input ${index} is not known`);
  return value;
}

/** The elements of an input that must be known for the output to have a shape. */
export function known(op: OpContext, index: number): readonly number[] {
  const { values } = input(op, index);
  if (!values) throw new UnresolvedShape(`the output's shape depends on the data of input ${index}`);
  return values;
}

/** Integers given as an attribute in older operator sets and as an input in newer ones. */
export function listed(op: OpContext, name: string, index: number): readonly number[] | undefined {
  return op.attributes.ints(name) ?? (op.inputs[index] ? known(op, index) : undefined);
}

/** The extent of `shape` at `axis`, which may count from the end. */
export function extent(shape: readonly number[], axis: number): number {
  const value = shape.at(axis);
  if (value === undefined) throw new ShapeMismatch(`rank ${shape.length} has no axis ${axis}`);
  return value;
}

export function axisOf(axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (positive < 0 || positive > rank) throw new ShapeMismatch(`rank ${rank} has no axis ${axis}`);
  return positive;
}

/**
 * Before opset 7 the second operand met the first from its attribute `axis` on, where `broadcast` was set, and
 * not from the last dimension: [2, 3, 4, 5] and [3, 4] with axis 1. Its shape by today's rule is returned.
 */
export function alignedShape(op: OpContext, first: Value, second: Value): readonly number[] {
  if (op.opset >= 7 || !op.attributes.has('axis')) return second.shape;
  const axis = axisOf(op.attributes.int('axis', 0), first.shape.length);
  const behind = first.shape.length - axis - second.shape.length;
  return behind > 0 ? [...second.shape, ...new Array<number>(behind).fill(1)] : second.shape;
}

/** The shape all `shapes` broadcast to by NumPy's rule. */
export function broadcast(...shapes: (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    const offset = rank - shape.length;
    for (let axis = 0; axis < shape.length; axis++) {
      const size = shape[axis]!;
      const before = result[offset + axis]!;
      if (size === before || size === 1) continue;
      if (before !== 1) throw new ShapeMismatch(`[${shapes.join('] and [')}] do not broadcast`);
      result[offset + axis] = size;
    }
  }
  return result;
}

/** Row-major position in `shape` broadcast to `target`, for each element of `target` in order. */
export function broadcastIndices(shape: readonly number[], target: readonly number[]): number[] {
  let indices = [0];
  let stride = elementCount(shape);
  const offset = target.length - shape.length;
  for (let axis = 0; axis < target.length; axis++) {
    const size = axis < offset ? 1 : shape[axis - offset]!;
    if (axis >= offset) stride /= size || 1;
    const step = size === 1 ? 0 : stride;
    const next: number[] = [];
    for (const base of indices) for (let i = 0; i < target[axis]!; i++) next.push(base + i * step);
    indices = next;
  }
  return indices;
}

export const int64 = (shape: readonly number[], values?: readonly number[]): Value =>
  tensor(DataType.int64, shape, values);
