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
import { type CausalRole, type Rule, type Value, valueLimit } from './op-rule.js';
import { ruleFor } from './rules/index.js';

/** A node with everything about it that does not depend on shapes. */
export interface PreparedNode {
  proto: NodeProto;
  /** Operator's name; with its domain where that is not ONNX's own. */
  label: string;
  attributes: Attributes;
  opset: number;
  rule: Rule | undefined;
  causal: CausalRole | null;
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
export function prepareModel(model: ModelProto, options: { causal: boolean }): PreparedGraph {
  const opsets = new Map((model.opsetImport ?? []).map(({ domain = '', version = 1 }) => [domain, version]));
  const functions = new Map(
    (model.functions ?? []).map((definition) => [
      `${definition.domain ?? ''}:${definition.name}`,
      definition,
    ]),
  );
  const context = { opsets, functions, causal: options.causal };
  return prepareGraph(model.graph, context);
}

interface Context {
  opsets: Map<string, number>;
  functions: Map<string, FunctionProto>;
  causal: boolean;
}

function prepareGraph(proto: GraphProto, context: Context): PreparedGraph {
  const constants = new Map<string, Value>();
  for (const initializer of proto.initializer ?? [])
    constants.set(initializer.name ?? '', lazyValue(initializer));
  const nodes = proto.node ?? [];
  const folded = new Set(constants.keys());
  for (const node of nodes) if (node.opType === 'Constant') folded.add(node.output?.[0] ?? '');
  const roles = causalRoles(nodes, (name) => folded.has(name), context.causal);
  return {
    proto,
    constants,
    nodes: nodes.map((node) => prepareNode(node, roles.get(node) ?? null, context)),
  };
}

function prepareNode(proto: NodeProto, causal: CausalRole | null, context: Context): PreparedNode {
  const domain = proto.domain === 'ai.onnx' ? '' : (proto.domain ?? '');
  const attributes = new Attributes(proto.attribute);
  const definition = context.functions.get(`${domain}:${proto.opType}`);
  const subgraphs = new Map<string, PreparedGraph>();
  for (const { name, g } of proto.attribute ?? []) if (g) subgraphs.set(name, prepareGraph(g, context));
  return {
    proto,
    label: domain ? `${domain}.${proto.opType}` : proto.opType,
    attributes,
    opset: context.opsets.get(domain) ?? 1,
    rule: definition ? undefined : ruleFor(domain, proto.opType),
    causal,
    expansion: definition && expand(definition, proto, context),
    subgraph: (name) => subgraphs.get(name),
  };
}

function expand(definition: FunctionProto, call: NodeProto, context: Context): PreparedNode['expansion'] {
  const given = new Map((definition.attributeProto ?? []).map((attribute) => [attribute.name, attribute]));
  for (const attribute of call.attribute ?? []) given.set(attribute.name, attribute);
  const { functions } = context;
  // A function that called itself would never end; ONNX forbids it.
  const others = new Map(functions);
  others.delete(`${definition.domain ?? ''}:${definition.name}`);
  const node = (definition.node ?? []).map((inner) => ({
    ...inner,
    attribute: (inner.attribute ?? []).flatMap((attribute) => resolved(attribute, given)),
  }));
  return {
    graph: prepareGraph({ node }, { ...context, functions: others }),
    inputs: definition.input ?? [],
    outputs: definition.output ?? [],
  };
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
function lazyValue(initializer: TensorProto): Value {
  let decoded: { values: number[] | undefined } | undefined;
  return {
    shape: initializer.dims ?? [],
    dtype: initializer.dataType ?? DataType.float,
    constant: true,
    get values() {
      decoded ??= { values: numbersOf(initializer, valueLimit) };
      return decoded.values;
    },
  };
}
