/**
 * models/cost/ counts what a pass through an ONNX graph costs, from the graph alone: `countGraph` for given
 * input shapes, `deriveCost` for a decoder at any batch, new and past positions. rules/ holds one operator
 * family per file.
 */

import type { Warning } from '../../core/codes.js';
import type { ByteCount, FlopCount } from '../../core/cost.js';
import { expectedDistinctExperts } from '../../core/cost.js';
import { TokenworkError } from '../../core/errors.js';
import type { Dimension, ModelProto, ValueInfoProto } from '../onnx/proto.js';
import { DataType, elementCount } from '../onnx/tensor-data.js';
import { DeclaredShapes } from './declared-shapes.js';
import { evaluateGraph, Scope } from './evaluate.js';
import { tensor, type Value } from './op-rule.js';
import { type PreparedGraph, prepareModel } from './prepare.js';
import { emptyTally, type OpTypeCount, type Tally } from './tally.js';

export type InputShapes = Record<string, readonly number[]>;

/** Elements of inputs on which it depends what the graph computes: a condition, a length. */
export type InputValues = ReadonlyMap<string, readonly number[]>;

/** The cost of one pass. FLOPs and bytes follow the conventions of `FlopCount` and `ByteCount`. */
export interface GraphCount {
  flops: FlopCount;
  /** A mixture's expert weights are charged for the experts expected to be touched under uniform routing. */
  bytes: ByteCount;
  byOpType: Record<string, OpTypeCount>;
  /** Operators that are not counted, because tokenwork has no rule for them. */
  unknownOps: string[];
  warnings: Warning[];
  /** Why `flops` and `bytes` are not what a pass costs, in words; null where they are. */
  notCounted: string | null;
  /** Shapes of the graph's outputs; null where they depend on data. */
  outputShapes: Record<string, readonly number[] | null>;
}

/**
 * Counts one pass through any ONNX graph. `shapes` gives each input's shape; inputs whose declared shape is
 * fixed may be left out; `values` gives elements of inputs that decide what runs. Throws TokenworkError
 * `shape-missing`, `shape-unknown-input`, `shapes-do-not-fit` or `graph-too-costly`.
 */
export function countGraph(
  model: ModelProto,
  shapes: InputShapes,
  values: InputValues = new Map(),
): GraphCount {
  const prepared = prepareModel(model, { causal: false, passes: 1 });
  const { tally, scope } = countPrepared(prepared, inputValues(prepared.graph, shapes, values));
  const outputs = (model.graph.output ?? []).map(
    ({ name }) => [name, scope.get(name)?.shape ?? null] as const,
  );
  return {
    flops: tally.flops,
    bytes: passBytes(tally),
    byOpType: Object.fromEntries(tally.byOpType),
    unknownOps: [...tally.unknownOps.keys()].sort(),
    warnings: warningsOf(tally),
    notCounted: notCountedIn(tally),
    outputShapes: Object.fromEntries(outputs),
  };
}

/** Bytes of a pass, with those of the experts expected to be touched. */
export function passBytes({ bytes, experts }: Tally): ByteCount {
  if (experts === null) return bytes;
  const touched = experts.layers * expectedDistinctExperts(experts, experts.tokens);
  return { ...bytes, weights: bytes.weights + touched * experts.bytesPerExpert };
}

/** A graph read, with what its evaluation may take. */
export type Prepared = ReturnType<typeof prepareModel>;

/** Evaluates a prepared graph once. `cache` names the tensors that are a decoder's KV cache. */
export function countPrepared(
  { graph, budget }: Prepared,
  inputs: ReadonlyMap<string, Value>,
  cache: { past: ReadonlySet<string>; present: ReadonlySet<string> } = {
    past: new Set(),
    present: new Set(),
  },
): { tally: Tally; scope: Scope } {
  const tally = emptyTally();
  const scope = new Scope(inputs);
  const declared = new DeclaredShapes(graph.proto, symbolsOf(graph.proto.input ?? [], inputs));
  evaluateGraph(graph, scope, tally, { ...cache, cacheViews: new Set(), declared, budget });
  if (![...Object.values(tally.flops), ...Object.values(tally.bytes)].every(Number.isFinite)) {
    throw new TokenworkError(
      'graph-too-costly',
      'What the graph costs is more than can be counted.',
      'Check the input shapes given and the lengths of its loops.',
    );
  }
  return { tally, scope };
}

/** Omissions and assumptions of a count, in words. */
export function warningsOf(tally: Tally): Warning[] {
  const warnings: Warning[] = [];
  if (tally.unknownOps.size > 0) {
    warnings.push({
      code: 'unknown-ops',
      message: `Operators that are not counted: ${unknownIn(tally)}.`,
      hint: 'The counts are lower bounds: what these operators compute is missing from them.',
    });
  }
  if (tally.unresolved.size > 0) {
    warnings.push({
      code: 'shapes-unresolved',
      message: `Nodes that are not counted, or not exactly: ${unresolvedIn(tally)}.`,
      hint: 'The counts are lower bounds: what these nodes compute is missing from them, or more than is counted.',
    });
  }
  for (const what of tally.dynamic) {
    warnings.push({
      code: 'dynamic-control-flow',
      message: `${what}.`,
      hint: 'The counts hold for that case only; --input NAME=VALUE says what an input holds.',
    });
  }
  return warnings;
}

/** Why a count is not what a pass costs, in words; null where it is. */
export function notCountedIn(tally: Tally): string | null {
  const reasons = [
    ...(tally.unknownOps.size > 0 ? [`operators without a rule: ${unknownIn(tally)}`] : []),
    ...(tally.unresolved.size > 0 ? [`nodes not counted exactly: ${unresolvedIn(tally)}`] : []),
    ...tally.dynamic,
  ];
  return reasons.length > 0 ? reasons.join('; ') : null;
}

function unknownIn({ unknownOps }: Tally): string {
  const ops = [...unknownOps].map(([label, { count, names }]) => `${label} (${count})${named(names)}`);
  return ops.sort().join(', ');
}

function unresolvedIn({ unresolved }: Tally): string {
  const ops = [...unresolved].map(
    ([label, { count, why, names }]) => `${label} (${count}: ${why})${named(names)}`,
  );
  return ops.sort().join(', ');
}

function named(names: readonly string[]): string {
  const known = names.filter(Boolean);
  return known.length > 0 ? ` at ${known.join(', ')}` : '';
}

function inputValues(graph: PreparedGraph, shapes: InputShapes, values: InputValues): Map<string, Value> {
  const inputs = (graph.proto.input ?? []).filter(({ name }) => !graph.constants.has(name));
  const names = new Set(inputs.map(({ name }) => name));
  const stranger = [...Object.keys(shapes), ...values.keys()].find((name) => !names.has(name));
  if (stranger !== undefined) {
    throw new TokenworkError(
      'shape-unknown-input',
      `The model has no input ${stranger}.`,
      `Its inputs are: ${[...names].join(', ')}.`,
    );
  }
  const given = new Map(Object.entries(shapes));
  return new Map(
    inputs.map((info) => {
      const elements = values.get(info.name);
      const shape = given.get(info.name) ?? fixedShape(info) ?? shapeFor(info, elements);
      if (!shape) throw shapeMissing(info);
      checkAgainst(info, shape);
      const dtype = info.type?.tensorType?.elemType ?? DataType.float;
      if (elements && elements.length !== elementCount(shape)) {
        throw new TokenworkError(
          'shapes-do-not-fit',
          `Input ${info.name} has ${elementCount(shape)} elements, not ${elements.length}.`,
          `Give as many values as its shape [${shape.join(', ')}] has elements.`,
        );
      }
      return [info.name, tensor(dtype, shape, elements)];
    }),
  );
}

/** Undefined where not even the rank is declared; a scalar has none. */
function dimensionsOf(info: ValueInfoProto): Dimension[] | undefined {
  const shape = info.type?.tensorType?.shape;
  return shape && (shape.dim ?? []);
}

/** The declared size; undefined where it is symbolic, left out, or a number that is no size (-1, 0). */
function sizeDeclared({ dimValue = 0, dimParam }: Dimension): number | undefined {
  return dimParam || dimValue <= 0 ? undefined : dimValue;
}

function fixedShape(info: ValueInfoProto): number[] | undefined {
  const sizes = dimensionsOf(info)?.map(sizeDeclared);
  return sizes?.every((size) => size !== undefined) ? sizes : undefined;
}

/** Values alone give the shape of a scalar and of a vector. */
function shapeFor(info: ValueInfoProto, values: readonly number[] | undefined): number[] | undefined {
  const rank = dimensionsOf(info)?.length ?? 0;
  if (values === undefined || rank > 1) return undefined;
  return rank === 0 && values.length === 1 ? [] : [values.length];
}

function shapeMissing(info: ValueInfoProto): TokenworkError {
  const dimensions = dimensionsOf(info) ?? [];
  const example = dimensions.map((dimension) => sizeDeclared(dimension) ?? 1);
  return new TokenworkError(
    'shape-missing',
    `The shape of input ${info.name} is open: [${dimensions.map(describe).join(', ')}].`,
    `Give it, for example --shape ${info.name}=${example.join(',')}.`,
  );
}

function checkAgainst(info: ValueInfoProto, shape: readonly number[]): void {
  const declared = dimensionsOf(info);
  if (!declared) return;
  const fits =
    declared.length === shape.length &&
    declared.every((dimension, axis) => (sizeDeclared(dimension) ?? shape[axis]) === shape[axis]);
  if (fits) return;
  throw new TokenworkError(
    'shapes-do-not-fit',
    `Input ${info.name} is declared as [${declared.map(describe).join(', ')}], not [${shape.join(', ')}].`,
    'Check the input shapes given.',
  );
}

function describe({ dimValue, dimParam }: Dimension): string {
  return dimParam || (dimValue === undefined ? '?' : String(dimValue));
}

function symbolsOf(infos: ValueInfoProto[], inputs: ReadonlyMap<string, Value>): Map<string, number> {
  const symbols = new Map<string, number>();
  for (const info of infos) {
    const shape = inputs.get(info.name)?.shape;
    info.type?.tensorType?.shape?.dim?.forEach(({ dimParam }, axis) => {
      const size = shape?.[axis];
      if (dimParam && size !== undefined) symbols.set(dimParam, size);
    });
  }
  return symbols;
}
