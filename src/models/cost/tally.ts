import type { ByteCount, FlopCount, Mixture } from '../../core/cost.js';
import type { NodeExperts, NodeFlops } from './op-rule.js';

/** What nodes of one operator add up to. */
export interface OpTypeCount extends FlopCount {
  nodes: number;
  bytes: number;
}

/** Experts of all mixture nodes of a pass; `tokens` is how many each of them routes. */
interface ExpertCount extends Mixture {
  tokens: number;
}

/** A running count over nodes. */
export interface Tally {
  flops: FlopCount;
  /** `weights` leaves experts out; they are in `experts`. */
  bytes: ByteCount;
  experts: ExpertCount | null;
  byOpType: Map<string, OpTypeCount>;
  /** Operators without a rule, by how often they occur. */
  unknownOps: Map<string, number>;
  /** Nodes that have a rule but no known input shape, by operator and reason. */
  unresolved: Map<string, { count: number; why: string }>;
  /** Control flow that depends on data, with what was counted instead. */
  dynamic: Set<string>;
}

export function emptyTally(): Tally {
  return {
    flops: { matmul: 0, executed: 0, causal: 0, elementwise: 0 },
    bytes: { weights: 0, kvRead: 0, kvWritten: 0, activations: 0 },
    experts: null,
    byOpType: new Map(),
    unknownOps: new Map(),
    unresolved: new Map(),
    dynamic: new Set(),
  };
}

export function totalFlops(flops: NodeFlops): FlopCount {
  const { matmul = 0, elementwise = 0 } = flops;
  return { matmul, executed: flops.executed ?? matmul, causal: flops.causal ?? matmul, elementwise };
}

/** Adds one node. */
export function addNode(tally: Tally, label: string, flops: FlopCount, bytes: ByteCount): void {
  accumulate(tally.flops, flops, 1);
  accumulate(tally.bytes, bytes, 1);
  const { weights, kvRead, kvWritten, activations } = bytes;
  const entry = tally.byOpType.get(label) ?? { nodes: 0, bytes: 0, ...totalFlops({}) };
  accumulate(entry, { ...flops, nodes: 1, bytes: weights + kvRead + kvWritten + activations }, 1);
  tally.byOpType.set(label, entry);
}

/** Mixture nodes of one model are alike; where they differ, `bytesPerExpert` is their mean. */
export function addExperts(tally: Tally, { count, perToken, tokens, bytes }: NodeExperts): void {
  const before = tally.experts;
  const layers = (before?.layers ?? 0) + 1;
  const total = bytes / count + (before ? before.bytesPerExpert * before.layers : 0);
  tally.experts = {
    layers,
    experts: count,
    expertsPerToken: perToken,
    bytesPerExpert: total / layers,
    tokens,
  };
}

/** Adds `times` times what `other` counted. */
export function addTally(tally: Tally, other: Tally, times: number): void {
  accumulate(tally.flops, other.flops, times);
  accumulate(tally.bytes, other.bytes, times);
  if (other.experts) {
    const layers = other.experts.layers * times + (tally.experts?.layers ?? 0);
    tally.experts = { ...other.experts, layers };
  }
  for (const [label, counted] of other.byOpType) {
    const entry = tally.byOpType.get(label) ?? { nodes: 0, bytes: 0, ...totalFlops({}) };
    accumulate(entry, counted, times);
    tally.byOpType.set(label, entry);
  }
  for (const [label, count] of other.unknownOps) {
    tally.unknownOps.set(label, (tally.unknownOps.get(label) ?? 0) + count);
  }
  for (const [label, { count, why }] of other.unresolved) addUnresolved(tally, label, why, count);
  for (const what of other.dynamic) tally.dynamic.add(what);
}

export function addUnresolved(tally: Tally, label: string, why: string, count = 1): void {
  const entry = tally.unresolved.get(label);
  tally.unresolved.set(label, { count: (entry?.count ?? 0) + count, why: entry?.why ?? why });
}

function accumulate<Counts extends object>(into: Counts, from: Counts, times: number): void {
  for (const key of Object.keys(from) as (keyof Counts)[]) {
    (into[key] as number) += (from[key] as number) * times;
  }
}
