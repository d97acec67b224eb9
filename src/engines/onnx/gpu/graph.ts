import { encodeModel, type NodeProto, type ValueInfoProto } from '../../../models/onnx/proto.js';

/** An input or output of `type`, in ONNX's numbering, with dimensions of these names, of any size. */
export function tensorNamed(name: string, type: number, dims: readonly string[]): ValueInfoProto {
  const dim = dims.map((dimParam) => ({ dimParam }));
  return { name, type: { tensorType: { elemType: type, shape: { dim } } } };
}

/**
 * A serialised model of a few standard nodes without weights, for what the C API has no call for. In opset 13:
 * CUDA has a kernel of ScatterElements for no later one.
 */
export function deviceGraph(
  name: string,
  nodes: NodeProto[],
  inputs: ValueInfoProto[],
  outputs: ValueInfoProto[],
): Uint8Array {
  return encodeModel({
    irVersion: 9,
    opsetImport: [{ domain: '', version: 13 }],
    graph: { name, node: nodes, input: inputs, output: outputs, initializer: [] },
  });
}
