import type { NodeProto } from '../onnx/proto.js';
import type { CausalRole } from './op-rule.js';

/** Operators that may stand between a product and its softmax, or between a softmax and its product. */
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
/** Inputs of attention nodes that take a mask or bias which may hold the causality. */
const maskInput: ReadonlyMap<string, number> = new Map([['MultiHeadAttention', 5]]);
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
    for (const name of node.input ?? []) {
      const list = consumers.get(name);
      if (list) list.push(node);
      else consumers.set(name, [node]);
    }
  }
  const isCausalMask = maskFinder(producer, isConstant);

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
      const mask = node.input?.[maskInput.get(node.opType) ?? (contrib ? 5 : 3)];
      if (allCausal || (mask && isCausalMask(mask))) roles.set(node, 'attention');
    }
  }
  return roles;
}

/** Whether what leads to a tensor, short of a product or a softmax, makes a mask of positions. */
function maskFinder(
  producer: ReadonlyMap<string, NodeProto>,
  isConstant: (name: string) => boolean,
): (name: string) => boolean {
  const known = new Map<string, boolean>();
  return (name) => {
    const seen = new Set<string>();
    const open = [name];
    let found = false;
    // In a list of its own, not by recursion: graphs are as deep as they please.
    for (let next = open.pop(); next !== undefined && !found; next = open.pop()) {
      found = known.get(next) ?? false;
      const node = producer.get(next);
      if (seen.has(next) || known.has(next) || !node) continue;
      seen.add(next);
      if (products.has(node.opType) || node.opType === 'Softmax') continue;
      const inputs = node.input ?? [];
      found =
        node.opType === 'Trilu' ||
        (comparisons.has(node.opType) && inputs.every((input) => !isConstant(input)));
      open.push(...inputs);
    }
    if (!found) for (const name of seen) known.set(name, false);
    known.set(name, found);
    return found;
  };
}

/** Nodes that may lie between a product and its softmax. */
const furthest = 8;

function upstream(
  name: string | undefined,
  producer: Map<string, NodeProto>,
  isConstant: (name: string) => boolean,
): NodeProto | undefined {
  return walked(name, (at) => {
    const node = producer.get(at);
    if (!node) return {};
    if (products.has(node.opType)) return node.input?.some(isConstant) ? {} : { found: node };
    return between.has(node.opType) ? { next: node.input } : {};
  });
}

function downstream(from: NodeProto, consumers: Map<string, NodeProto[]>): NodeProto | undefined {
  return walked(from.output?.[0], (at) => {
    const nodes = consumers.get(at) ?? [];
    const found = nodes.find((node) => products.has(node.opType) && node.input?.[0] === at);
    if (found) return { found };
    return { next: nodes.filter((node) => between.has(node.opType)).map((node) => node.output?.[0] ?? '') };
  });
}

/** The nearest node that `look` finds from tensor to tensor, each looked at once. */
function walked(
  start: string | undefined,
  look: (name: string) => { found?: NodeProto; next?: string[] | undefined },
): NodeProto | undefined {
  const seen = new Set<string>();
  let names = start ? [start] : [];
  for (let distance = 0; distance <= furthest && names.length > 0; distance++) {
    const next: string[] = [];
    for (const name of names) {
      if (!name || seen.has(name)) continue;
      seen.add(name);
      const { found, next: further } = look(name);
      if (found) return found;
      next.push(...(further ?? []));
    }
    names = next;
  }
  return undefined;
}
