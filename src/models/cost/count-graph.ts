/**
 * models/cost/ counts what a pass through an ONNX graph costs, from the graph alone: `countGraph` for given
 * input shapes, `deriveCost` for a decoder at any batch, new and past positions. rules/ holds one operator
 * family per file.
 */

import type { Warning } from '../../core/codes.js';
import type { ByteCount, FlopCount } from '../../core/cost.js';
import { expectedDistinctExperts } from '../../core/cost.js';
import { TokenworkError } from '../../core/errors.js';
import type { ModelProto, ValueInfoProto } from '../onnx/proto.js';
import { DeclaredShapes } from './declared-shapes.js';
import { evaluateGraph, Scope } from './evaluate.js';
import { tensor, type Value } from './op-rule.js';
import { type PreparedGraph, prepareModel } from './prepare.js';
import { emptyTally, type OpTypeCount, type Tally } from './tally.js';

export type InputShapes = Record<string, readonly number[]>;

/** What one pass costs. FLOPs and bytes are by the conventions of `FlopCount` and `ByteCount`. */
export interface GraphCount {
  flops: FlopCount;
  /** A mixture's expert weights are charged for the experts expected to be touched under uniform routing. */
  bytes: ByteCount;
  byOpType: Record<string, OpTypeCount>;
  /** Operators that are not counted, because tokenwork has no rule for them. */
  unknownOps: string[];
  warnings: Warning[];
  /** Shapes of the graph's outputs; null where they depend on data. */
  outputShapes: Record<string, readonly number[] | null>;
}

/**
 * Counts one pass through any ONNX graph. `shapes` gives each input's shape; inputs whose declared shape is
 * fixed may be left out. Throws TokenworkError `shape-missing`, `shape-unknown-input` or
 * `shapes-do-not-fit`.
 */
export function countGraph(model: ModelProto, shapes: InputShapes): GraphCount {
  const graph = prepareModel(model, { causal: false });
  const { tally, scope } = countPrepared(graph, inputValues(graph, shapes));
  const outputs = (model.graph.output ?? []).map(
    ({ name }) => [name, scope.get(name)?.shape ?? null] as const,
  );
  const { experts } = tally;
  const touched = experts
    ? experts.layers * expectedDistinctExperts(experts, experts.tokens) * experts.bytesPerExpert
    : 0;
  return {
    flops: tally.flops,
    bytes: { ...tally.bytes, weights: tally.bytes.weights + touched },
    byOpType: Object.fromEntries(tally.byOpType),
    unknownOps: [...tally.unknownOps.keys()].sort(),
    warnings: warningsOf(tally),
    outputShapes: Object.fromEntries(outputs),
  };
}

/** Evaluates a prepared graph once. `cache` names the tensors that are a decoder's KV cache. */
export function countPrepared(
  graph: PreparedGraph,
  inputs: ReadonlyMap<string, Value>,
  cache: { past: ReadonlySet<string>; present: ReadonlySet<string> } = {
    past: new Set(),
    present: new Set(),
  },
): { tally: Tally; scope: Scope } {
  const tally = emptyTally();
  const scope = new Scope(inputs);
  const declared = new DeclaredShapes(graph.proto, symbolsOf(graph.proto.input ?? [], inputs));
  evaluateGraph(graph, scope, tally, { ...cache, cacheViews: new Set(), declared });
  return { tally, scope };
}

/** What a count leaves out or assumes, in words. */
export function warningsOf(tally: Tally): Warning[] {
  const warnings: Warning[] = [];
  if (tally.unknownOps.size > 0) {
    const ops = [...tally.unknownOps].map(([label, count]) => `${label} (${count})`).sort();
    warnings.push({
      code: 'unknown-ops',
      message: `Operators that are not counted: ${ops.join(', ')}.`,
      hint: 'The counts are lower bounds: what these operators compute is missing from them.',
    });
  }
  if (tally.unresolved.size > 0) {
    const ops = [...tally.unresolved].map(([label, { count, why }]) => `${label} (${count}: ${why})`);
    warnings.push({
      code: 'shapes-unresolved',
      message: `Nodes that are not counted, as their shapes are not known: ${ops.sort().join(', ')}.`,
      hint: 'Shapes that depend on data cannot be counted without running the model.',
    });
  }
  for (const what of tally.dynamic) {
    warnings.push({
      code: 'dynamic-control-flow',
      message: `${what}.`,
      hint: 'The counts hold for that case only.',
    });
  }
  return warnings;
}

function inputValues(graph: PreparedGraph, shapes: InputShapes): Map<string, Value> {
  const inputs = (graph.proto.input ?? []).filter(({ name }) => !graph.constants.has(name));
  const names = inputs.map(({ name }) => name);
  const stranger = Object.keys(shapes).find((name) => !names.includes(name));
  if (stranger !== undefined) {
    throw new TokenworkError(
      'shape-unknown-input',
      `The model has no input ${stranger}.`,
      `Its inputs are: ${names.join(', ')}.`,
    );
  }
  return new Map(
    inputs.map((info) => {
      const dimensions = info.type?.tensorType?.shape?.dim ?? [];
      const fixed = dimensions.map(({ dimValue, dimParam }) => (dimParam ? undefined : dimValue));
      const shape =
        shapes[info.name] ?? (fixed.every((size) => size !== undefined) ? (fixed as number[]) : undefined);
      if (!shape) {
        throw new TokenworkError(
          'shape-missing',
          `The shape of input ${info.name} is open: [${dimensions.map(describe).join(', ')}].`,
          `Give it, for example --shape ${info.name}=${dimensions.map(({ dimValue }) => dimValue ?? 1).join(',')}.`,
        );
      }
      checkAgainst(info, shape);
      return [info.name, tensor(info.type?.tensorType?.elemType ?? 1, shape)];
    }),
  );
}

function checkAgainst(info: ValueInfoProto, shape: readonly number[]): void {
  const declared = info.type?.tensorType?.shape?.dim;
  if (!declared) return;
  const fits =
    declared.length === shape.length &&
    declared.every(({ dimValue, dimParam }, axis) => dimParam || !dimValue || dimValue === shape[axis]);
  if (fits) return;
  throw new TokenworkError(
    'shapes-do-not-fit',
    `Input ${info.name} is declared as [${declared.map(describe).join(', ')}], not [${shape.join(', ')}].`,
    'Check the input shapes given.',
  );
}

function describe({ dimValue, dimParam }: { dimValue?: number; dimParam?: string }): string {
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
