import type { AttributeProto, Dimension, NodeProto, ValueInfoProto } from '../onnx/proto.js';
import { type ElementType, elementType, type Fill, type TensorSpec } from './tensor.js';

/** Attribute values: integers as `{ int }`, so that 1.0 stays a float. */
type Attribute = { int: number } | { float: number } | { ints: number[] } | { string: string };

interface NodeOptions {
  /** `com.microsoft` for contrib ops. */
  domain?: string;
  attributes?: Record<string, Attribute>;
  /** One name per output, '' for those not wanted; by default a single output named after the node. */
  outputs?: string[];
}

export const contrib = 'com.microsoft';

/** Collects the nodes, tensors, inputs and outputs of a graph in order of writing. */
export class GraphBuilder {
  readonly nodes: NodeProto[] = [];
  readonly tensors: TensorSpec[] = [];
  readonly inputs: ValueInfoProto[] = [];
  readonly outputs: ValueInfoProto[] = [];

  /** Adds a node and returns its first output's name. */
  node(opType: string, name: string, inputs: string[], options: NodeOptions = {}): string {
    const output = options.outputs ?? [`${name}/output_0`];
    const node: NodeProto = { opType, name, input: inputs, output };
    if (options.domain) node.domain = options.domain;
    if (options.attributes) node.attribute = Object.entries(options.attributes).map(toAttribute);
    this.nodes.push(node);
    return output[0]!;
  }

  tensor(name: string, dims: number[], dataType: ElementType, fill: Fill): string {
    this.tensors.push({ name, dims, dataType, fill });
    return name;
  }

  /** An int64 constant: a vector, or a scalar where a number is given. */
  constant(name: string, values: number | number[]): string {
    const list = [values].flat();
    return this.tensor(name, Array.isArray(values) ? [list.length] : [], elementType.int64, {
      kind: 'values',
      bytes: new Uint8Array(BigInt64Array.from(list, BigInt).buffer),
    });
  }

  input(name: string, elemType: ElementType, dims: (number | string)[]): string {
    this.inputs.push(valueInfo(name, elemType, dims));
    return name;
  }

  output(name: string, elemType: ElementType, dims: (number | string)[]): void {
    this.outputs.push(valueInfo(name, elemType, dims));
  }
}

function toAttribute([name, value]: [string, Attribute]): AttributeProto {
  if ('int' in value) return { name, type: 2, i: value.int };
  if ('float' in value) return { name, type: 1, f: value.float };
  if ('ints' in value) return { name, type: 7, ints: value.ints };
  return { name, type: 3, s: new TextEncoder().encode(value.string) };
}

function valueInfo(name: string, elemType: ElementType, dims: (number | string)[]): ValueInfoProto {
  const dim = dims.map(
    (size): Dimension => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }),
  );
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}
