import { TokenworkError } from '../../core/errors.js';
import { plainText } from '../../core/text.js';
import { Attributes } from '../onnx/attributes.js';
import type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  TensorProto,
} from '../onnx/proto.js';
import { DataType, numbersOf } from '../onnx/tensor-data.js';
import { causalRoles } from './attention-roles.js';
import { inOrder } from './node-order.js';
import { type CausalRole, type Rule, type Value, valueLimit } from './op-rule.js';
import { ruleFor, unhandledIn } from './rules/index.js';
import { WorkBudget } from './work-budget.js';

/** A node with everything about it that does not depend on shapes. */
export interface PreparedNode {
  proto: NodeProto;
  /** Operator's name; with its domain where that is not ONNX's own. */
  label: string;
  attributes: Attributes;
  opset: number;
  rule: Rule | undefined;
  causal: CausalRole | null;
  /** Its own name, or that of its first output. */
  name: string;
  /** Why its cost is not counted exactly though there is a rule, in words. */
  unhandled: string | null;
  /** Constants that it yielded, for the next pass. */
  folded: { inputs: readonly (Value | undefined)[]; outputs: (Value | undefined)[] } | null;
  /** Body of a model-local function, its formal inputs and outputs. */
  expansion: { graph: PreparedGraph; inputs: string[]; outputs: string[] } | undefined;
  /** Prepared graph attributes: branches and bodies. */
  subgraph(name: string): PreparedGraph | undefined;
}

export interface PreparedGraph {
  proto: GraphProto;
  nodes: PreparedNode[];
  /** Initializers by name. */
  constants: Map<string, Value>;
}

/** Reads what can be known of a graph before its input shapes are; done once, evaluated often. */
export function prepareModel(
  model: ModelProto,
  options: { causal: boolean; passes: number },
): { graph: PreparedGraph; budget: WorkBudget } {
  const opsets = new Map((model.opsetImport ?? []).map(({ domain = '', version = 1 }) => [domain, version]));
  const functions = new Map((model.functions ?? []).map((definition) => [keyOf(definition), definition]));
  const budget = new WorkBudget(model);
  const context: Context = { opsets, functions, causal: options.causal, open: new Set(), budget, nodes: 0 };
  const graph = prepareGraph(model.graph, context);
  budget.grant(context.nodes, options.passes);
  return { graph, budget };
}

interface Context {
  opsets: Map<string, number>;
  functions: Map<string, FunctionProto>;
  causal: boolean;
  /** Functions whose bodies are being read: within itself a function is no more than an operator's name. */
  open: ReadonlySet<string>;
  budget: WorkBudget;
  /** Prepared so far. */
  nodes: number;
}

function prepareGraph(proto: GraphProto, context: Context): PreparedGraph {
  const constants = new Map<string, Value>();
  for (const initializer of proto.initializer ?? [])
    constants.set(initializer.name ?? '', constantValue(initializer));
  const nodes = inOrder(proto.node ?? []);
  context.nodes += nodes.length;
  context.budget.spend(nodes.length);
  const folded = new Set(constants.keys());
  for (const node of nodes) if (node.opType === 'Constant') folded.add(node.output?.[0] ?? '');
  const roles = causalRoles(nodes, (name) => folded.has(name), context.causal);
  return {
    proto,
    constants,
    nodes: nodes.map((node) => prepareNode(node, roles.get(node) ?? null, context)),
  };
}

/** A foreign name as it may stand in a message: no control characters, and not without end. */
export function printable(name: string): string {
  return plainText(name.slice(0, longestName));
}

const longestName = 200;

function prepareNode(proto: NodeProto, causal: CausalRole | null, context: Context): PreparedNode {
  const domain = proto.domain === 'ai.onnx' ? '' : (proto.domain ?? '');
  const attributes = new Attributes(proto.attribute);
  const key = `${domain}:${proto.opType}`;
  const definition = context.open.has(key) ? undefined : context.functions.get(key);
  const subgraphs = new Map<string, PreparedGraph>();
  for (const { name, g } of proto.attribute ?? [])
    if (g)
      subgraphs.set(
        name,
        context.budget.nested(() => prepareGraph(g, context)),
      );
  return {
    proto,
    label: printable(domain ? `${domain}.${proto.opType}` : proto.opType),
    attributes,
    opset: context.opsets.get(domain) ?? 1,
    rule: definition ? undefined : ruleFor(domain, proto.opType),
    causal,
    name: printable(proto.name || proto.output?.[0] || ''),
    unhandled: definition ? null : unhandledIn(domain, proto, attributes),
    folded: null,
    expansion: definition && expand(definition, proto, context),
    subgraph: (name) => subgraphs.get(name),
  };
}

function expand(definition: FunctionProto, call: NodeProto, context: Context): PreparedNode['expansion'] {
  const given = new Map((definition.attributeProto ?? []).map((attribute) => [attribute.name, attribute]));
  for (const attribute of call.attribute ?? []) given.set(attribute.name, attribute);
  const node = (definition.node ?? []).map((inner) => ({
    ...inner,
    attribute: (inner.attribute ?? []).flatMap((attribute) => resolved(attribute, given)),
  }));
  const imports = (definition.opsetImport ?? []).map(
    ({ domain = '', version = 1 }) => [domain, version] as const,
  );
  const opsets = new Map([...context.opsets, ...imports]);
  const inner: Context = { ...context, opsets, open: new Set([...context.open, keyOf(definition)]) };
  const graph = context.budget.nested(() => prepareGraph({ node }, inner));
  context.nodes = inner.nodes;
  return { graph, inputs: definition.input ?? [], outputs: definition.output ?? [] };
}

function keyOf({ domain = '', name }: { domain?: string; name: string }): string {
  return `${domain === 'ai.onnx' ? '' : domain}:${name}`;
}

/** An attribute of a function's body may name one of the call's; without that it is left to its default. */
function resolved(
  attribute: AttributeProto & { refAttrName?: string },
  given: Map<string, AttributeProto>,
): AttributeProto[] {
  if (!attribute.refAttrName) return [attribute];
  const value = given.get(attribute.refAttrName);
  return value ? [{ ...value, name: attribute.name }] : [];
}

/** Elements are decoded only when a rule asks for them: weights never are. */
function constantValue(initializer: TensorProto): Value {
  const shape = initializer.dims ?? [];
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw new TokenworkError(
      'model-not-onnx',
      `The tensor ${initializer.name ?? ''} is said to be of shape [${shape}].`,
      'Export the model again.',
    );
  }
  let decoded: { values: number[] | undefined } | undefined;
  return {
    shape,
    dtype: initializer.dataType ?? DataType.float,
    constant: true,
    get values() {
      decoded ??= { values: numbersOf(initializer, valueLimit) };
      return decoded.values;
    },
  };
}
