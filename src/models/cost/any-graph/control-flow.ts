/**
 * If, Loop and Scan. They are counted exactly where the graph says which branch runs and how often a body
 * does; otherwise the tally's `dynamic` says what was counted instead.
 */
import { TokenworkError } from '../../../core/errors.js';
import { extent, int64, tensor, UnresolvedShape, type Value } from '../op-rule.js';
import type { PreparedGraph, PreparedNode } from '../prepare.js';
import { addTally, emptyTally, type Tally } from '../tally.js';

/** Evaluates a body with its inputs bound, adds to the tally given, and returns the body's outputs. */
type Run = (graph: PreparedGraph, bound: [string, Value][], into: Tally) => (Value | undefined)[];
type ControlFlow = (
  node: PreparedNode,
  inputs: (Value | undefined)[],
  tally: Tally,
  run: Run,
) => (Value | undefined)[];

/** Beyond this many trips a body whose shapes keep changing is not followed. */
const followedTrips = 1024;

function required(node: PreparedNode, name: string): PreparedGraph {
  const graph = node.subgraph(name);
  if (!graph) throw new UnresolvedShape(`attribute ${name} is missing`);
  return graph;
}

function nameOf({ name, label }: PreparedNode): string {
  return `${label} ${name}`.trim();
}

const branch: ControlFlow = (node, [condition], tally, run) => {
  const [yes, no] = [required(node, 'then_branch'), required(node, 'else_branch')];
  const chosen = condition?.values?.[0];
  if (chosen !== undefined) return run(chosen ? yes : no, [], tally);
  const [whenTrue, whenFalse] = [attempt(yes, run), attempt(no, run)];
  if ('misfit' in whenTrue || 'misfit' in whenFalse) {
    if ('misfit' in whenTrue && 'misfit' in whenFalse) throw whenTrue.misfit;
    const runs = 'misfit' in whenTrue ? (whenFalse as Attempt) : (whenTrue as Attempt);
    addTally(tally, runs.counted, 1);
    tally.dynamic.add(
      `${nameOf(node)}: which branch runs depends on data; the one that fits the shapes is counted`,
    );
    return runs.outputs.map(withoutData);
  }
  const costlier = work(whenTrue.counted) >= work(whenFalse.counted) ? whenTrue : whenFalse;
  addTally(tally, costlier.counted, 1);
  if (!alike(whenTrue.counted, whenFalse.counted)) {
    tally.dynamic.add(`${nameOf(node)}: which branch runs depends on data; the costlier one is counted`);
  }
  // What both branches agree on is known whatever runs.
  return whenTrue.outputs.map((value, index) =>
    sameShape(value, whenFalse.outputs[index]) ? withoutData(value) : undefined,
  );
};

interface Attempt {
  counted: Tally;
  outputs: (Value | undefined)[];
}

/** A branch that the shapes do not fit cannot be the one that runs. */
function attempt(graph: PreparedGraph, run: Run): Attempt | { misfit: TokenworkError } {
  const counted = emptyTally();
  try {
    return { counted, outputs: run(graph, [], counted) };
  } catch (thrown) {
    if (thrown instanceof TokenworkError && thrown.code === 'shapes-do-not-fit') return { misfit: thrown };
    throw thrown;
  }
}

const work = ({ flops }: Tally) => flops.executed + flops.elementwise;

/** Whether it is all the same which of the two runs. */
function alike(a: Tally, b: Tally): boolean {
  const kinds = Object.keys(a.flops) as (keyof Tally['flops'])[];
  const bytes = Object.keys(a.bytes) as (keyof Tally['bytes'])[];
  return (
    kinds.every((kind) => a.flops[kind] === b.flops[kind]) &&
    bytes.every((kind) => a.bytes[kind] === b.bytes[kind]) &&
    a.experts === null &&
    b.experts === null
  );
}

const loop: ControlFlow = (node, [trips, condition, ...initial], tally, run) => {
  const body = required(node, 'body');
  const names = (body.proto.input ?? []).map(({ name }) => name);
  const carriedCount = names.length - 2;
  const results = (
    carried: (Value | undefined)[],
    scans: (Value | undefined)[],
    count: number | undefined,
  ) => [
    ...carried,
    ...scans.map(
      (value) => value && (count === undefined ? undefined : tensor(value.dtype, [count, ...value.shape])),
    ),
  ];
  if (condition?.values?.[0] === 0 || (trips?.values?.[0] ?? 1) <= 0) {
    return results(initial.map(withoutData), [], 0);
  }
  let carried = initial.map(withoutData);
  const limit = trips?.values?.[0] ?? (node.proto.input?.[0] ? undefined : Number.POSITIVE_INFINITY);
  let done = 0;
  for (;;) {
    const counted = emptyTally();
    const bound = names.flatMap((name, index): [string, Value][] => {
      if (index === 0) return [[name, int64([])]];
      const value = index === 1 ? tensor(9, [], [1]) : carried[index - 2];
      return value ? [[name, value]] : [];
    });
    const [goesOn, ...outputs] = run(body, bound, counted);
    const next = outputs.slice(0, carriedCount).map(withoutData);
    const scans = outputs.slice(carriedCount);
    const settled = next.every((value, index) => sameShape(value, carried[index]));
    const runsToLimit = goesOn?.values?.[0] === 1;
    if (
      !runsToLimit ||
      limit === undefined ||
      !Number.isFinite(limit) ||
      (!settled && done >= followedTrips)
    ) {
      addTally(tally, counted, 1);
      tally.dynamic.add(`${nameOf(node)}: how often it runs depends on data; ${done + 1} trip is counted`);
      return results(next, scans, undefined);
    }
    const times = settled ? limit - done : 1;
    addTally(tally, counted, times);
    done += times;
    carried = next;
    if (done >= limit) return results(carried, scans, limit);
  }
};

const scan: ControlFlow = (node, inputs, tally, run) => {
  // Before opset 9 it took lengths first and ran over a batch.
  if (node.opset < 9) throw new UnresolvedShape('it is a Scan of opset 8');
  const body = required(node, 'body');
  const names = (body.proto.input ?? []).map(({ name }) => name);
  const scanned = node.attributes.int('num_scan_inputs', 0);
  const states = names.length - scanned;
  const axes = node.attributes.ints('scan_input_axes') ?? [];
  const outputAxes = node.attributes.ints('scan_output_axes') ?? [];
  let trips = 0;
  const bound = names.flatMap((name, index): [string, Value][] => {
    const value = inputs[index];
    if (!value) return [];
    if (index < states) return [[name, withoutData(value)!]];
    const axis = axes[index - states] ?? 0;
    trips = extent(value.shape, axis);
    return [[name, tensor(value.dtype, value.shape.toSpliced(axis, 1))]];
  });
  const counted = emptyTally();
  const outputs = run(body, bound, counted);
  addTally(tally, counted, trips);
  return outputs.map((value, index) => {
    if (!value || index < states) return withoutData(value);
    const axis = outputAxes[index - states] ?? 0;
    const at = axis < 0 ? axis + value.shape.length + 1 : axis;
    return tensor(value.dtype, value.shape.toSpliced(at, 0, trips));
  });
};

function sameShape(a: Value | undefined, b: Value | undefined): boolean {
  return a !== undefined && b !== undefined && a.shape.join() === b.shape.join();
}

function withoutData(value: Value | undefined): Value | undefined {
  return value && tensor(value.dtype, value.shape);
}

export const controlFlow: ReadonlyMap<string, ControlFlow> = new Map([
  ['If', branch],
  ['Loop', loop],
  ['Scan', scan],
]);
