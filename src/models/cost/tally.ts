import type { ByteCount, FlopCount, Mixture } from '../../core/cost.js';
import type { NodeExperts, NodeFlops } from './op-rule.js';

/** The sum over nodes of one operator. */
export interface OpTypeCount extends FlopCount {
  nodes: number;
  bytes: number;
}

/** Experts of all mixture nodes of a pass; `tokens` is how many each of them routes. */
interface ExpertCount extends Mixture {
  tokens: number;
}

/** Nodes of one operator; the first few by name. */
interface NodeGroup {
  count: number;
  names: string[];
}

/** A running count over nodes. */
export interface Tally {
  flops: FlopCount;
  /** `weights` leaves experts out; they are in `experts`. */
  bytes: ByteCount;
  experts: ExpertCount | null;
  byOpType: Map<string, OpTypeCount>;
  /** Positions of the smallest sliding window of an attention; null where there is none. */
  window: number | null;
  /** Nodes of operators without a rule, by operator. */
  unknownOps: Map<string, NodeGroup>;
  /** Nodes that have a rule which could not count them, by operator, with the reason of the first. */
  unresolved: Map<string, NodeGroup & { why: string }>;
  /** Control flow that depends on data, with what was counted instead. */
  dynamic: Set<string>;
}

export function emptyTally(): Tally {
  return {
    flops: { matmul: 0, executed: 0, causal: 0, elementwise: 0 },
    bytes: { weights: 0, kvRead: 0, kvWritten: 0, activations: 0 },
    experts: null,
    byOpType: new Map(),
    window: null,
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
  if (other.window !== null) addWindow(tally, other.window);
  for (const [label, counted] of other.byOpType) {
    const entry = tally.byOpType.get(label) ?? { nodes: 0, bytes: 0, ...totalFlops({}) };
    accumulate(entry, counted, times);
    tally.byOpType.set(label, entry);
  }
  for (const [label, group] of other.unknownOps) addUnknown(tally, label, group.names, group.count);
  for (const [label, { count, why, names }] of other.unresolved)
    addUnresolved(tally, label, why, names, count);
  for (const what of other.dynamic) tally.dynamic.add(what);
}

export function addWindow(tally: Tally, positions: number): void {
  tally.window = Math.min(positions, tally.window ?? positions);
}

const namesKept = 3;

export function addUnknown(tally: Tally, label: string, names: readonly string[], count = 1): void {
  tally.unknownOps.set(label, grown(tally.unknownOps.get(label), names, count));
}

export function addUnresolved(
  tally: Tally,
  label: string,
  why: string,
  names: readonly string[],
  count = 1,
): void {
  const before = tally.unresolved.get(label);
  tally.unresolved.set(label, { ...grown(before, names, count), why: before?.why ?? why });
}

function grown(before: NodeGroup | undefined, names: readonly string[], count: number): NodeGroup {
  const known = new Set([...(before?.names ?? []), ...names]);
  return { count: (before?.count ?? 0) + count, names: [...known].slice(0, namesKept) };
}

function accumulate<Counts extends object>(into: Counts, from: Counts, times: number): void {
  for (const key of Object.keys(from) as (keyof Counts)[]) {
    (into[key] as number) += (from[key] as number) * times;
  }
}
