/**
 * Walks a graph in its order, gives every tensor a shape and every node a cost. Conventions:
 * - A node whose inputs are all constant is folded when the session is made and costs a pass nothing;
 *   its output is then a weight. DequantizeLinear is the exception: it runs in every pass.
 * - Arithmetic on shapes and views (Reshape and the like) are free.
 * - Every other node reads its inputs and writes its outputs once: constants as `weights`, the KV cache as
 *   `kvRead` and `kvWritten`, everything else as `activations`. Nodes are counted as the graph writes
 *   them; fusions that an optimiser makes of them move fewer activations.
 */

import type { ByteCount } from '../../core/cost.js';
import { messageOf, TokenworkError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import { DataType } from '../onnx/tensor-data.js';
import { controlFlow } from './any-graph/control-flow.js';
import type { DeclaredShapes } from './declared-shapes.js';
import {
  bytesOfValue,
  type OpContext,
  type OpResult,
  type Rule,
  ShapeMismatch,
  sizeOf,
  UnresolvedShape,
  type Value,
} from './op-rule.js';
import { type PreparedGraph, type PreparedNode, printable } from './prepare.js';
import {
  addExperts,
  addNode,
  addUnknown,
  addUnresolved,
  addWindow,
  type Tally,
  totalFlops,
} from './tally.js';
import type { WorkBudget } from './work-budget.js';

/** The tensors a graph sees: its own, then those of the graph around it. */
export class Scope {
  readonly #values: Map<string, Value>;
  readonly #outer: Scope | undefined;
  /** Tensors that hold shapes: what follows from them is index arithmetic. */
  readonly #indices = new Set<string>();

  constructor(values: Iterable<[string, Value]>, outer?: Scope) {
    this.#values = new Map(values);
    this.#outer = outer;
  }

  get(name: string): Value | undefined {
    return this.#values.get(name) ?? this.#outer?.get(name);
  }

  set(name: string, value: Value): void {
    this.#values.set(name, value);
  }

  markIndex(name: string): void {
    this.#indices.add(name);
  }

  isIndex(name: string): boolean {
    return this.#indices.has(name) || (this.#outer?.isIndex(name) ?? false);
  }
}

/** The parts that stay the same over all graphs of one evaluation. */
export interface Surroundings {
  /** Names of tensors that are the KV cache, before and after the pass. */
  past: ReadonlySet<string>;
  present: ReadonlySet<string>;
  /** Views of the cache met on the way; reading them is reading the cache. */
  cacheViews: Set<string>;
  declared: DeclaredShapes;
  budget: WorkBudget;
}

/**
 * Evaluates `graph` within `scope`, adding to `tally`. Throws TokenworkError `shapes-do-not-fit` or
 * `graph-too-costly`.
 */
export function evaluateGraph(
  graph: PreparedGraph,
  scope: Scope,
  tally: Tally,
  surroundings: Surroundings,
): void {
  for (const [name, value] of graph.constants) scope.set(name, value);
  for (const node of graph.nodes) evaluateNode(node, scope, tally, surroundings);
}

function evaluateNode(node: PreparedNode, scope: Scope, tally: Tally, surroundings: Surroundings): void {
  const names = node.proto.output ?? [];
  let outputs: (Value | undefined)[] = [];
  surroundings.budget.spend(1);
  try {
    outputs = nodeOutputs(node, scope, tally, surroundings) ?? [];
  } catch (thrown) {
    if (thrown instanceof TokenworkError) throw thrown;
    if (thrown instanceof ShapeMismatch) throw misfit(node, thrown);
    addUnresolved(tally, node.label, whyUnresolved(node, thrown), [node.name]);
  }
  names.forEach((name, index) => {
    const value = outputs[index] ?? surroundings.declared.valueOf(name);
    if (name && value) scope.set(name, value);
  });
}

/** A rule takes a node for what its operator asks for; one that lacks an input or a dimension makes it stumble. */
function whyUnresolved(node: PreparedNode, thrown: unknown): string {
  if (thrown instanceof UnresolvedShape) return thrown.message;
  log('node %s (%s) is malformed: %s', node.name, node.label, thrown);
  return 'it lacks something that its operator asks for';
}

function nodeOutputs(
  node: PreparedNode,
  scope: Scope,
  tally: Tally,
  surroundings: Surroundings,
): (Value | undefined)[] | undefined {
  const inputNames = node.proto.input ?? [];
  const inputs = inputNames.map((name) => (name ? scope.get(name) : undefined));
  if (node.expansion) return expanded(node, inputs, tally, surroundings);
  const flow = controlFlow.get(node.label);
  if (flow) {
    return flow(node, inputs, tally, (graph, bound, into) =>
      surroundings.budget.nested(() => {
        const inner = new Scope(bound, scope);
        evaluateGraph(graph, inner, into, surroundings);
        return (graph.proto.output ?? []).map(({ name }) => inner.get(name));
      }),
    );
  }
  if (!node.rule) {
    addUnknown(tally, node.label, [node.name]);
    return undefined;
  }
  const missing = inputNames.findIndex((name, index) => name && !inputs[index]);
  if (missing >= 0) throw new UnresolvedShape(`the shape of ${printable(inputNames[missing]!)} is not known`);
  if (isFolded(node, inputs)) return folded(node, inputs, surroundings);
  const op = contextOf(node, inputs);
  const result = applied(node.rule, op, surroundings);
  const inexact = node.unhandled ?? result.inexact;
  if (inexact !== undefined) addUnresolved(tally, node.label, inexact, [node.name]);
  if (result.window !== undefined) addWindow(tally, result.window);
  const index = isIndexArithmetic(node, op, scope);
  if (index) for (const name of node.proto.output ?? []) scope.markIndex(name);
  const source = inputNames[0] ?? '';
  if (result.free && isCache(source, surroundings)) {
    for (const name of node.proto.output ?? []) surroundings.cacheViews.add(name);
  }
  if (!result.free && !index) charge(node, op, result, tally, surroundings);
  return result.outputs;
}

function contextOf(node: PreparedNode, inputs: (Value | undefined)[]): OpContext {
  return {
    opType: node.proto.opType,
    attributes: node.attributes,
    opset: node.opset,
    inputs,
    outputCount: node.proto.output?.length ?? 0,
    causal: node.causal,
  };
}

/** More dimensions than any operator's kernel takes. */
const highestRank = 64;

/** The rule's answer, once its outputs are shapes that a tensor can have. */
function applied(rule: Rule, op: OpContext, { budget }: Surroundings): OpResult {
  const result = rule(op);
  for (const output of result.outputs) {
    if (output === undefined) continue;
    const { shape } = output;
    if (shape.length > highestRank) throw new UnresolvedShape(`its output has ${shape.length} dimensions`);
    if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0))
      throw new UnresolvedShape(`its output would be of shape [${shape}]`);
    if (!result.free) budget.spend(0, output.values?.length ?? 0);
  }
  return result;
}

/** Constants stay the same from pass to pass, so what is folded of them is worked out once. */
function folded(
  node: PreparedNode,
  inputs: (Value | undefined)[],
  surroundings: Surroundings,
): (Value | undefined)[] {
  const before = node.folded;
  if (before?.inputs.length === inputs.length && before.inputs.every((value, at) => value === inputs[at]))
    return before.outputs;
  const { outputs } = applied(node.rule!, contextOf(node, inputs), surroundings);
  const constants = outputs.map((value) => value && asConstant(value));
  node.folded = { inputs, outputs: constants };
  return constants;
}

/** Values of an initializer are read when they are asked for, which a copy would do at once. */
function asConstant(value: Value): Value {
  return value.constant ? value : { ...value, constant: true };
}

function expanded(
  node: PreparedNode,
  inputs: (Value | undefined)[],
  tally: Tally,
  surroundings: Surroundings,
): (Value | undefined)[] {
  const { graph, inputs: formal, outputs } = node.expansion!;
  const bound = formal.flatMap((name, index): [string, Value][] => {
    const value = inputs[index];
    return value ? [[name, value]] : [];
  });
  const scope = new Scope(bound);
  surroundings.budget.nested(() => evaluateGraph(graph, scope, tally, surroundings));
  return outputs.map((name) => scope.get(name));
}

const random = /^Random|^Multinomial$|^Bernoulli$/;

function isFolded({ proto }: PreparedNode, inputs: (Value | undefined)[]): boolean {
  if (proto.opType === 'Constant') return true;
  if (proto.opType === 'DequantizeLinear' || random.test(proto.opType)) return false;
  return inputs.length > 0 && inputs.every((value, index) => value?.constant || !proto.input![index]);
}

const shapeSources = new Set(['Shape', 'Size']);
/** Ops that make tensors of a size given by their data: what they write is as large as that says. */
const generators = new Set(['Range', 'ConstantOfShape', 'Expand', 'Tile', 'OneHot', 'EyeLike', 'NonZero']);

/** Whether a node computes on shapes alone: its inputs come from Shape and integer constants. */
function isIndexArithmetic({ proto }: PreparedNode, op: OpContext, scope: Scope): boolean {
  if (shapeSources.has(proto.opType)) return true;
  if (generators.has(proto.opType)) return false;
  const names = proto.input ?? [];
  return (
    names.some((name) => scope.isIndex(name)) &&
    names.every((name, index) => !name || scope.isIndex(name) || isSetting(op.inputs[index]))
  );
}

const argumentTypes = new Set<number>([DataType.int64, DataType.int32, DataType.bool]);

/** A small constant of integers says how to compute (axes, a shape); it is not data. */
function isArgument(value: Value | undefined): boolean {
  return value?.constant === true && argumentTypes.has(value.dtype) && value.values !== undefined;
}

/** Besides arguments, a lone constant may take part in arithmetic on shapes, a scale of a resized image say. */
function isSetting(value: Value | undefined): boolean {
  return isArgument(value) || (value?.constant === true && sizeOf(value) === 1);
}

function isCache(name: string, { past, present, cacheViews }: Surroundings): boolean {
  return past.has(name) || present.has(name) || cacheViews.has(name);
}

function charge(
  node: PreparedNode,
  op: OpContext,
  result: OpResult,
  tally: Tally,
  surroundings: Surroundings,
): void {
  const bytes: ByteCount = { weights: 0, kvRead: 0, kvWritten: 0, activations: 0 };
  const experts = new Set(result.experts?.inputs);
  node.proto.input?.forEach((name, index) => {
    const value = op.inputs[index];
    if (!value || experts.has(index)) return;
    const read = result.readBytes?.[index] ?? bytesOfValue(value);
    if (isCache(name, surroundings)) bytes.kvRead += read;
    else if (!value.constant) bytes.activations += read;
    else if (!isArgument(value)) bytes.weights += read;
  });
  node.proto.output?.forEach((name, index) => {
    const value = result.outputs[index];
    if (!name || !value) return;
    const written = result.writtenBytes?.[index] ?? bytesOfValue(value);
    if (surroundings.present.has(name)) bytes.kvWritten += written;
    else bytes.activations += written;
  });
  addNode(tally, node.label, totalFlops(result.flops ?? {}), bytes);
  if (result.experts) addExperts(tally, result.experts);
}

function misfit(node: PreparedNode, cause: ShapeMismatch): TokenworkError {
  return new TokenworkError(
    'shapes-do-not-fit',
    `Node ${node.name} (${node.label}) cannot run on these shapes: ${messageOf(cause)}.`,
    'Check the input shapes given, for example --shape input=1,3,224,224.',
    { cause },
  );
}
