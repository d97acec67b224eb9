import type { NodeProto } from '../onnx/proto.js';
import type { CausalRole } from './op-rule.js';

/** What may stand between a product and its softmax, or between a softmax and its product. */
const between = new Set([
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Where',
  'Cast',
  'Clip',
  'Min',
  'Max',
  'Tanh',
  'Reshape',
  'Identity',
  'Dropout',
  'IsNaN',
]);
const products = new Set(['MatMul', 'FusedMatMul', 'TransposeMatMul']);
/** Where an attention node takes a mask or bias that may hold the causality. */
const maskInput: Record<string, number> = { MultiHeadAttention: 5 };
const comparisons = new Set(['Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual']);

/**
 * Finds the nodes that are part of a causal attention, and which part. An attention is causal where the
 * whole graph is (`allCausal`: a decoder), or where its mask is made by Trilu or by comparing positions
 * with positions. In a graph of primitives an attention is a product of two activations that leads to a
 * softmax that leads to another.
 */
export function causalRoles(
  nodes: readonly NodeProto[],
  isConstant: (name: string) => boolean,
  allCausal: boolean,
): Map<NodeProto, CausalRole> {
  const producer = new Map<string, NodeProto>();
  const consumers = new Map<string, NodeProto[]>();
  for (const node of nodes) {
    for (const name of node.output ?? []) if (name) producer.set(name, node);
    for (const name of node.input ?? []) consumers.set(name, [...(consumers.get(name) ?? []), node]);
  }
  const masks = new Map<string, boolean>();
  const isCausalMask = (name: string): boolean => {
    const known = masks.get(name);
    if (known !== undefined) return known;
    masks.set(name, false);
    const node = producer.get(name);
    if (!node || products.has(node.opType) || node.opType === 'Softmax') return false;
    const inputs = node.input ?? [];
    const found =
      node.opType === 'Trilu' ||
      (comparisons.has(node.opType) && inputs.every((input) => !isConstant(input))) ||
      inputs.some(isCausalMask);
    masks.set(name, found);
    return found;
  };

  const roles = new Map<NodeProto, CausalRole>();
  for (const node of nodes) {
    if (node.opType === 'Softmax') {
      const scores = upstream(node.input?.[0], producer, isConstant);
      if (!scores) continue;
      const causal = allCausal || isCausalMask(node.input![0]!);
      const values = downstream(node, consumers);
      if (causal && values) roles.set(scores, 'scores').set(values, 'values');
    } else if (node.opType === 'Attention' || node.opType === 'MultiHeadAttention') {
      const contrib = node.domain === 'com.microsoft';
      const mask = node.input?.[maskInput[node.opType] ?? (contrib ? 5 : 3)];
      if (allCausal || (mask && isCausalMask(mask))) roles.set(node, 'attention');
    }
  }
  return roles;
}

function upstream(
  name: string | undefined,
  producer: Map<string, NodeProto>,
  isConstant: (name: string) => boolean,
  depth = 0,
): NodeProto | undefined {
  const node = name === undefined ? undefined : producer.get(name);
  if (!node || depth > 8) return undefined;
  if (products.has(node.opType)) return node.input!.some(isConstant) ? undefined : node;
  if (!between.has(node.opType)) return undefined;
  for (const input of node.input ?? []) {
    const found = upstream(input, producer, isConstant, depth + 1);
    if (found) return found;
  }
  return undefined;
}

function downstream(from: NodeProto, consumers: Map<string, NodeProto[]>, depth = 0): NodeProto | undefined {
  const name = from.output?.[0];
  if (!name || depth > 8) return undefined;
  for (const node of consumers.get(name) ?? []) {
    if (products.has(node.opType) && node.input?.[0] === name) return node;
    const found = between.has(node.opType) ? downstream(node, consumers, depth + 1) : undefined;
    if (found) return found;
  }
  return undefined;
}
