/**
 * Mixtures of experts (com.microsoft MoE and QMoE): each token passes its k chosen experts, so FLOPs are
 * those of k experts whatever the routing; the router's product is a node of its own. ONNX Runtime's CPU
 * kernel skips experts that no token chose, so expert weights are charged apart, by experts touched.
 * QMoE's dequantisation follows the routing too and is no polynomial: it is not in `executed`.
 */
import { DataType } from '../../onnx/tensor-data.js';
import {
  bytesOfValue,
  extent,
  input,
  type OpContext,
  type OpResult,
  type RuleTable,
  sizeOf,
  tensor,
} from '../op-rule.js';

/** `weights`: inputs of which every element is one multiply-add; `beside`: what is read along with them. */
function mixture(
  op: OpContext,
  weights: [first: number, second: number, gate: number],
  biases: number[],
  beside: number[],
  bits: number,
): OpResult {
  const data = input(op, 0);
  const count = extent(input(op, 1).shape, -1);
  const perToken = op.attributes.int('k', 1);
  const tokens = sizeOf(data) / extent(data.shape, -1);
  const present = weights.filter((index) => op.inputs[index]);
  const packing = (index: number) => (input(op, index).dtype === DataType.uint8 ? 8 / bits : 1);
  const perExpert = present.reduce(
    (sum, index) => sum + (sizeOf(input(op, index)) / count) * packing(index),
    0,
  );
  const inputs = [...present, ...[...biases, ...beside].filter((index) => op.inputs[index])];
  const hidden = extent(data.shape, -1);
  // The widest activation inside an expert: activation, gate and, at the end, the weighted sum.
  const [first, , gate] = weights;
  const inner = (sizeOf(input(op, first)) / count / hidden) * packing(first);
  const activation = op.attributes.string('activation_type', 'relu');
  const perInner = (activationsOfExperts.get(activation) ?? 4) + (op.inputs[gate] ? 1 : 0);
  const bias = biases.reduce(
    (sum, index) => sum + (op.inputs[index] ? sizeOf(input(op, index)) / count : 0),
    0,
  );
  const elementwise = tokens * (5 * count + perToken * (perInner * inner + bias + 2 * hidden));
  return {
    outputs: [tensor(data.dtype, data.shape)],
    flops: { matmul: 2 * tokens * perToken * perExpert, elementwise },
    experts: {
      count,
      perToken,
      tokens,
      inputs,
      bytes: inputs.reduce((sum, index) => sum + bytesOfValue(input(op, index)), 0),
    },
  };
}

/** FLOPs per element inside an expert; swiglu's gate and what it multiplies are half of them each. */
const activationsOfExperts: ReadonlyMap<string, number> = new Map([
  ['relu', 1],
  ['gelu', 5],
  ['silu', 4],
  ['swiglu', 4],
  ['identity', 0],
]);

export const mixtureRules: RuleTable = {
  MoE: (op) => mixture(op, [2, 4, 6], [3, 5, 7], [], 8),
  QMoE: (op) =>
    mixture(op, [2, 5, 8], [4, 7, 10], [3, 6, 9, 11, 12, 13], op.attributes.int('expert_weight_bits', 4)),
};
