/**
 * Ops that compute each output element from the elements at the same place. Arithmetic on floating point
 * counts its FLOPs as `elementwise`; comparisons, logic, choices and integer arithmetic count none, but
 * move their bytes. Where all inputs are known, outputs are computed too: that is how shapes flow
 * through the index arithmetic of exported graphs.
 */
import { DataType, elementCount, isFloat } from '../../onnx/tensor-data.js';
import {
  alignedShape,
  broadcast,
  broadcastIndices,
  input,
  type OpContext,
  type OpResult,
  type Rule,
  type RuleTable,
  tensor,
  type Value,
  valueLimit,
} from '../op-rule.js';

type Compute = (...operands: number[]) => number;

/** FLOPs per output element, and how to compute one. */
interface Elementwise {
  flops: number;
  compute?: Compute;
  /** The output's type, where it is not the first input's. */
  dtype?: number;
}

const arithmetic: Record<string, Elementwise> = {
  Abs: { flops: 1, compute: Math.abs },
  Neg: { flops: 1, compute: (x) => -x },
  Ceil: { flops: 1, compute: Math.ceil },
  Floor: { flops: 1, compute: Math.floor },
  Round: { flops: 1, compute: roundHalfToEven },
  Sign: { flops: 1, compute: Math.sign },
  Reciprocal: { flops: 1, compute: (x) => 1 / x },
  Sqrt: { flops: 1, compute: Math.sqrt },
  Exp: { flops: 1, compute: Math.exp },
  Log: { flops: 1, compute: Math.log },
  Erf: { flops: 1 },
  Relu: { flops: 1, compute: (x) => Math.max(0, x) },
  Sigmoid: { flops: 3 },
  HardSigmoid: { flops: 4 },
  Tanh: { flops: 1, compute: Math.tanh },
  Softplus: { flops: 3 },
  Softsign: { flops: 3 },
  Elu: { flops: 3 },
  Selu: { flops: 4 },
  Celu: { flops: 4 },
  LeakyRelu: { flops: 2 },
  ThresholdedRelu: { flops: 1 },
  PRelu: { flops: 2 },
  HardSwish: { flops: 5 },
  Mish: { flops: 5 },
  Swish: { flops: 4 },
  QuickGelu: { flops: 5 },
  BiasGelu: { flops: 6 },
  Add: { flops: 1, compute: (a, b) => a! + b! },
  Sub: { flops: 1, compute: (a, b) => a! - b! },
  Mul: { flops: 1, compute: (a, b) => a! * b! },
  Div: { flops: 1 },
  Pow: { flops: 1, compute: (a, b) => a! ** b! },
  Mod: { flops: 1 },
  Clip: { flops: 2, compute: (x, low, high) => Math.min(Math.max(x!, low ?? -Infinity), high ?? Infinity) },
};
for (const name of ['Sin', 'Cos', 'Tan', 'Asin', 'Acos', 'Atan', 'Sinh', 'Cosh', 'Asinh', 'Acosh', 'Atanh'])
  arithmetic[name] = { flops: 1 };

// ½x(1 + erf(x/√2)), and by its tanh form ½x(1 + tanh(√(2/π)(x + 0.044715x³))).
const gelu: Elementwise = { flops: 5 };
const tanhGelu: Elementwise = { flops: 8 };

const bool = DataType.bool;
const selection: Record<string, Elementwise> = {
  Equal: { flops: 0, dtype: bool, compute: (a, b) => Number(a === b) },
  Less: { flops: 0, dtype: bool, compute: (a, b) => Number(a! < b!) },
  LessOrEqual: { flops: 0, dtype: bool, compute: (a, b) => Number(a! <= b!) },
  Greater: { flops: 0, dtype: bool, compute: (a, b) => Number(a! > b!) },
  GreaterOrEqual: { flops: 0, dtype: bool, compute: (a, b) => Number(a! >= b!) },
  And: { flops: 0, dtype: bool, compute: (a, b) => Number(a && b) },
  Or: { flops: 0, dtype: bool, compute: (a, b) => Number(a || b) },
  Xor: { flops: 0, dtype: bool, compute: (a, b) => Number(!a !== !b) },
  Not: { flops: 0, dtype: bool, compute: (x) => Number(!x) },
  IsNaN: { flops: 0, dtype: bool },
  IsInf: { flops: 0, dtype: bool },
  BitShift: { flops: 0 },
  BitwiseAnd: { flops: 0 },
  BitwiseOr: { flops: 0 },
  BitwiseXor: { flops: 0 },
  BitwiseNot: { flops: 0 },
};

function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** FLOPs of an activation that a fused operator names, for each element; 1 where it is not known. */
export function activationFlops(name: string): number {
  return activations.get(name.toLowerCase()) ?? 1;
}

const activations = new Map(
  ['Relu', 'Tanh', 'Sigmoid', 'LeakyRelu', 'Clip', 'HardSigmoid', 'HardSwish', 'Softplus'].map((name) => [
    name.toLowerCase(),
    arithmetic[name]!.flops,
  ]),
)
  .set('silu', 4)
  .set('swish', 4)
  .set('gelu', 5)
  .set('identity', 0)
  .set('none', 0);

function computeOf(op: OpContext, { compute }: Elementwise): Compute | undefined {
  const integers = !isFloat(input(op, 0).dtype);
  if (op.opType === 'Div') return integers ? (a, b) => Math.trunc(a! / b!) : (a, b) => a! / b!;
  if (op.opType === 'Mod') {
    return op.attributes.int('fmod', 0) ? (a, b) => a! % b! : (a, b) => a! - b! * Math.floor(a! / b!);
  }
  return compute;
}

function applied(op: OpContext, entry: Elementwise, operands: (Value | undefined)[]): OpResult {
  const present = operands.filter((value) => value !== undefined);
  const shape = broadcast(...present.map((value) => value.shape));
  const first = input(op, 0);
  const output = tensor(entry.dtype ?? first.dtype, shape, evaluated(computeOf(op, entry), operands, shape));
  const flops = isFloat(first.dtype) ? entry.flops * elementCount(shape) : 0;
  return { outputs: [output], flops: { elementwise: flops } };
}

function evaluated(
  compute: Compute | undefined,
  operands: (Value | undefined)[],
  shape: readonly number[],
): number[] | undefined {
  const count = elementCount(shape);
  if (!compute || count > valueLimit) return undefined;
  if (operands.some((value) => value !== undefined && !value.values)) return undefined;
  const places = operands.map((value) => value && broadcastIndices(value.shape, shape));
  return Array.from({ length: count }, (_, index) =>
    compute(...operands.map((value, which) => value?.values?.[places[which]![index]!] as number)),
  );
}

const entryRule =
  (entry: Elementwise): Rule =>
  (op) =>
    applied(op, entry, op.inputs.length ? [...op.inputs] : [input(op, 0)]);

const binaryRule =
  (entry: Elementwise): Rule =>
  (op) => {
    const [first, second] = [input(op, 0), input(op, 1)];
    return applied(op, entry, [first, { ...second, shape: alignedShape(op, first, second) }]);
  };

const binary = 'Add Sub Mul Div Pow And Or Xor Less Greater Equal'.split(' ');

/** The slope has one number a channel before opset 7. */
function parametricRelu(op: OpContext): OpResult {
  const [data, slope] = [input(op, 0), input(op, 1)];
  const channels = op.opset < 7 && slope.shape.length === 1 && data.shape.length > 2;
  const shape = channels ? [...slope.shape, ...data.shape.slice(2).map(() => 1)] : slope.shape;
  return applied(op, arithmetic.PRelu!, [data, { ...slope, shape }]);
}

/** Its bounds are attributes before opset 11. */
function clip(op: OpContext): OpResult {
  const bound = (name: string, index: number) =>
    op.attributes.has(name)
      ? tensor(input(op, 0).dtype, [], [op.attributes.float(name, 0)])
      : op.inputs[index];
  return applied(op, arithmetic.Clip!, [input(op, 0), bound('min', 1), bound('max', 2)]);
}

/** Sum, Mean, Max and Min take any number of operands: one FLOP each but the first. */
const variadic =
  (combine: Compute): Rule =>
  (op) => {
    op.inputs.forEach((_, index) => {
      input(op, index);
    });
    return applied(op, { flops: Math.max(1, op.inputs.length - 1), compute: combine }, [...op.inputs]);
  };

function where(op: OpContext): OpResult {
  const operands = [input(op, 0), input(op, 1), input(op, 2)];
  const shape = broadcast(...operands.map((value) => value.shape));
  const values = evaluated((condition, yes, no) => (condition ? yes! : no!), operands, shape);
  return { outputs: [tensor(operands[1]!.dtype, shape, values)] };
}

const typesByName: ReadonlyMap<string, number> = new Map(Object.entries(DataType));

function cast(op: OpContext): OpResult {
  const { shape, values, dtype } = input(op, 0);
  // Before opset 6 the type is given by name.
  const named = typesByName.get(op.attributes.string('to', '').toLowerCase());
  const to = op.opType === 'CastLike' ? input(op, 1).dtype : (named ?? op.attributes.int('to', dtype));
  const converted = to === bool ? values?.map((x) => Number(x !== 0)) : values;
  const output = tensor(to, shape, isFloat(to) || to === bool ? converted : values?.map(Math.trunc));
  return { outputs: [output], free: to === dtype };
}

export const elementwiseRules: RuleTable = {
  ...Object.fromEntries(
    Object.entries({ ...arithmetic, ...selection }).map(([name, entry]) => [name, entryRule(entry)]),
  ),
  ...Object.fromEntries(
    binary.map((name) => [name, binaryRule((arithmetic[name] ?? selection[name])!)] as const),
  ),
  PRelu: parametricRelu,
  Clip: clip,
  Gelu: (op) =>
    applied(op, op.attributes.string('approximate', 'none') === 'tanh' ? tanhGelu : gelu, [...op.inputs]),
  // Its second input is a bias.
  FastGelu: (op) => applied(op, { flops: tanhGelu.flops + (op.inputs[1] ? 1 : 0) }, [...op.inputs]),
  Sum: variadic((...xs) => xs.reduce((a, b) => a + b, 0)),
  Mean: variadic((...xs) => xs.reduce((a, b) => a + b, 0) / xs.length),
  Max: variadic((...xs) => Math.max(...xs)),
  Min: variadic((...xs) => Math.min(...xs)),
  Where: where,
  Cast: cast,
  CastLike: cast,
};
