/** Small ONNX graphs for tests. */
import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  TensorProto,
  ValueInfoProto,
} from '../onnx/proto.js';
import { DataType, storedBytes } from '../onnx/tensor-data.js';

type AttributeValue =
  | number
  | number[]
  | string
  | { float: number }
  | { graph: GraphProto }
  | { tensor: TensorProto };
type AttributeValues = Record<string, AttributeValue>;

export interface NodeOptions {
  attributes?: AttributeValues;
  domain?: string;
  outputs?: string[];
}

const encoder = new TextEncoder();

function attribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'number') return { name, type: 2, i: value };
  if (typeof value === 'string') return { name, type: 3, s: encoder.encode(value) };
  if (Array.isArray(value)) return { name, type: 7, ints: value };
  if ('float' in value) return { name, type: 1, f: value.float };
  if ('graph' in value) return { name, type: 5, g: value.graph };
  return { name, type: 4, t: value.tensor };
}

/** A node that yields `output` (or `options.outputs`). */
export function node(opType: string, input: string[], output: string, options: NodeOptions = {}): NodeProto {
  const { attributes = {}, domain, outputs = [output] } = options;
  const list = Object.entries(attributes).map(([name, value]) => attribute(name, value));
  return { opType, input, output: outputs, attribute: list, name: output, ...(domain ? { domain } : {}) };
}

export function info(
  name: string,
  dims: (number | string)[] | null,
  elemType: number = DataType.float,
): ValueInfoProto {
  const dim = dims?.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType, ...(dim ? { shape: { dim } } : {}) } } };
}

/** A weight of that shape: zeros, or no data at all where `data` is false. */
export function weight(
  name: string,
  dims: number[],
  dataType: number = DataType.float,
  data = false,
): TensorProto {
  const count = dims.reduce((a, b) => a * b, 1);
  return { name, dims, dataType, ...(data ? { rawData: new Uint8Array(storedBytes(dataType, count)) } : {}) };
}

export function ints(name: string, values: number[], scalar = false): TensorProto {
  return { name, dims: scalar ? [] : [values.length], dataType: DataType.int64, int64Data: values };
}

export function floats(name: string, values: number[], dims = [values.length]): TensorProto {
  return { name, dims, dataType: DataType.float, floatData: values };
}

export function model(graph: Partial<GraphProto>, opset = 18): ModelProto {
  return {
    irVersion: 10,
    opsetImport: [
      { domain: '', version: opset },
      { domain: 'com.microsoft', version: 1 },
    ],
    graph: { name: 'test', input: [], output: [], ...graph },
  };
}

export interface OneNode extends NodeOptions {
  op: string;
  /** Graph inputs; an empty name's place is left open by `null`. */
  inputs: ({ shape: number[]; dtype?: number } | TensorProto | null)[];
  opset?: number;
}

/** A model of one node whose inputs are graph inputs i0, i1, … or, where given as tensors, initializers. */
export function oneNode({ op, inputs, opset, ...options }: OneNode): ModelProto {
  const names = inputs.map((input, index) => (input === null ? '' : `i${index}`));
  const input: ValueInfoProto[] = [];
  const initializer: TensorProto[] = [];
  inputs.forEach((given, index) => {
    if (given === null) return;
    if ('shape' in given) input.push(info(names[index]!, given.shape, given.dtype));
    else initializer.push({ ...given, name: names[index]! });
  });
  const outputs = options.outputs ?? ['y'];
  const output = outputs.filter(Boolean).map((name) => info(name, null));
  return model({ node: [node(op, names, 'y', { ...options, outputs })], input, initializer, output }, opset);
}
