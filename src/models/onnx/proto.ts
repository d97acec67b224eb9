/**
 * ONNX protobuf messages, read and written with protobufjs. Field numbers are those of the published
 * onnx.proto (IR version 12); fields tokenwork never touches are listed too, so that a graph read here
 * and written again loses nothing.
 */
import protobuf from 'protobufjs';

export interface TensorProto {
  dims?: number[];
  dataType?: number;
  floatData?: number[];
  int32Data?: number[];
  int64Data?: number[];
  doubleData?: number[];
  uint64Data?: number[];
  stringData?: Uint8Array[];
  name?: string;
  rawData?: Uint8Array;
  externalData?: { key: string; value: string }[];
  /** 1 where the bytes live in another file. */
  dataLocation?: number;
}

export interface AttributeProto {
  name: string;
  type?: number;
  f?: number;
  i?: number;
  s?: Uint8Array;
  t?: TensorProto;
  g?: GraphProto;
  floats?: number[];
  ints?: number[];
  strings?: Uint8Array[];
  tensors?: TensorProto[];
  graphs?: GraphProto[];
}

export interface NodeProto {
  input?: string[];
  output?: string[];
  name?: string;
  opType: string;
  domain?: string;
  attribute?: AttributeProto[];
}

export interface Dimension {
  dimValue?: number;
  dimParam?: string;
}

export interface ValueInfoProto {
  name: string;
  type?: { tensorType?: { elemType?: number; shape?: { dim?: Dimension[] } } };
}

export interface GraphProto {
  node?: NodeProto[];
  name?: string;
  initializer?: TensorProto[];
  input?: ValueInfoProto[];
  output?: ValueInfoProto[];
  valueInfo?: ValueInfoProto[];
}

export interface FunctionProto {
  name: string;
  domain?: string;
  input?: string[];
  output?: string[];
  attribute?: string[];
  attributeProto?: AttributeProto[];
  node?: NodeProto[];
  opsetImport?: { domain?: string; version?: number }[];
}

export interface ModelProto {
  irVersion?: number;
  producerName?: string;
  producerVersion?: string;
  opsetImport?: { domain?: string; version?: number }[];
  metadataProps?: { key: string; value: string }[];
  graph: GraphProto;
  functions?: FunctionProto[];
}

const optional = (type: string, id: number) => ({ type, id });
const repeated = (type: string, id: number) => ({ rule: 'repeated', type, id });
const message = (fields: protobuf.IType['fields'], nested?: protobuf.IType['nested']): protobuf.IType =>
  nested ? { fields, nested } : { fields };

const root = protobuf.Root.fromJSON({
  nested: {
    ModelProto: message({
      irVersion: optional('int64', 1),
      producerName: optional('string', 2),
      producerVersion: optional('string', 3),
      domain: optional('string', 4),
      modelVersion: optional('int64', 5),
      docString: optional('string', 6),
      graph: optional('GraphProto', 7),
      opsetImport: repeated('OperatorSetIdProto', 8),
      metadataProps: repeated('StringStringEntryProto', 14),
      functions: repeated('FunctionProto', 25),
    }),
    GraphProto: message({
      node: repeated('NodeProto', 1),
      name: optional('string', 2),
      initializer: repeated('TensorProto', 5),
      docString: optional('string', 10),
      input: repeated('ValueInfoProto', 11),
      output: repeated('ValueInfoProto', 12),
      valueInfo: repeated('ValueInfoProto', 13),
      quantizationAnnotation: repeated('TensorAnnotation', 14),
      sparseInitializer: repeated('SparseTensorProto', 15),
      metadataProps: repeated('StringStringEntryProto', 16),
    }),
    NodeProto: message({
      input: repeated('string', 1),
      output: repeated('string', 2),
      name: optional('string', 3),
      opType: optional('string', 4),
      attribute: repeated('AttributeProto', 5),
      docString: optional('string', 6),
      domain: optional('string', 7),
      overload: optional('string', 8),
      metadataProps: repeated('StringStringEntryProto', 9),
    }),
    AttributeProto: message({
      name: optional('string', 1),
      f: optional('float', 2),
      i: optional('int64', 3),
      s: optional('bytes', 4),
      t: optional('TensorProto', 5),
      g: optional('GraphProto', 6),
      floats: repeated('float', 7),
      ints: repeated('int64', 8),
      strings: repeated('bytes', 9),
      tensors: repeated('TensorProto', 10),
      graphs: repeated('GraphProto', 11),
      docString: optional('string', 13),
      tp: optional('TypeProto', 14),
      typeProtos: repeated('TypeProto', 15),
      type: optional('int32', 20),
      refAttrName: optional('string', 21),
      sparseTensor: optional('SparseTensorProto', 22),
      sparseTensors: repeated('SparseTensorProto', 23),
    }),
    TensorProto: message({
      dims: repeated('int64', 1),
      dataType: optional('int32', 2),
      segment: optional('TensorSegment', 3),
      floatData: repeated('float', 4),
      int32Data: repeated('int32', 5),
      stringData: repeated('bytes', 6),
      int64Data: repeated('int64', 7),
      name: optional('string', 8),
      rawData: optional('bytes', 9),
      doubleData: repeated('double', 10),
      uint64Data: repeated('uint64', 11),
      docString: optional('string', 12),
      externalData: repeated('StringStringEntryProto', 13),
      dataLocation: optional('int32', 14),
      metadataProps: repeated('StringStringEntryProto', 16),
    }),
    TensorSegment: message({ begin: optional('int64', 1), end: optional('int64', 2) }),
    SparseTensorProto: message({
      values: optional('TensorProto', 1),
      indices: optional('TensorProto', 2),
      dims: repeated('int64', 3),
    }),
    TensorAnnotation: message({
      tensorName: optional('string', 1),
      quantParameterTensorNames: repeated('StringStringEntryProto', 2),
    }),
    ValueInfoProto: message({
      name: optional('string', 1),
      type: optional('TypeProto', 2),
      docString: optional('string', 3),
      metadataProps: repeated('StringStringEntryProto', 4),
    }),
    TypeProto: message(
      {
        tensorType: optional('Tensor', 1),
        sequenceType: optional('Sequence', 4),
        mapType: optional('Map', 5),
        denotation: optional('string', 6),
        sparseTensorType: optional('Tensor', 8),
        optionalType: optional('Sequence', 9),
      },
      {
        Tensor: message({ elemType: optional('int32', 1), shape: optional('TensorShapeProto', 2) }),
        Sequence: message({ elemType: optional('TypeProto', 1) }),
        Map: message({ keyType: optional('int32', 1), valueType: optional('TypeProto', 2) }),
      },
    ),
    TensorShapeProto: message({ dim: repeated('Dimension', 1) }),
    Dimension: message({
      dimValue: optional('int64', 1),
      dimParam: optional('string', 2),
      denotation: optional('string', 3),
    }),
    OperatorSetIdProto: message({ domain: optional('string', 1), version: optional('int64', 2) }),
    StringStringEntryProto: message({ key: optional('string', 1), value: optional('string', 2) }),
    FunctionProto: message({
      name: optional('string', 1),
      input: repeated('string', 4),
      output: repeated('string', 5),
      attribute: repeated('string', 6),
      node: repeated('NodeProto', 7),
      docString: optional('string', 8),
      opsetImport: repeated('OperatorSetIdProto', 9),
      domain: optional('string', 10),
      attributeProto: repeated('AttributeProto', 11),
      valueInfo: repeated('ValueInfoProto', 12),
      overload: optional('string', 13),
      metadataProps: repeated('StringStringEntryProto', 14),
    }),
  },
});
const modelType = root.lookupType('ModelProto');

/**
 * Decodes a serialised ModelProto. Tensor bytes are views into `bytes`, not copies; int64 values are
 * numbers (those beyond 2^53, such as an open slice end, are rounded). Throws whatever protobufjs
 * throws on bytes that are not a ModelProto.
 */
export function decodeModel(bytes: Uint8Array): ModelProto {
  const model = modelType.toObject(modelType.decode(bytes), { longs: Number, enums: Number }) as ModelProto;
  nameAll(model);
  return model;
}

/** Gives what lacks a name that this file's types promise the empty one, which is protobuf's default. */
function nameAll({ graph, functions = [] }: ModelProto): void {
  for (const definition of functions) definition.name ??= '';
  const open: GraphProto[] = [...(graph ? [graph] : []), ...functions.map(({ node = [] }) => ({ node }))];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const value of [...(next.input ?? []), ...(next.output ?? []), ...(next.valueInfo ?? [])])
      value.name ??= '';
    for (const node of next.node ?? []) {
      node.opType ??= '';
      for (const attribute of node.attribute ?? []) {
        attribute.name ??= '';
        open.push(...(attribute.g ? [attribute.g] : []), ...(attribute.graphs ?? []));
      }
    }
  }
}

/** Serialises a model; the same model gives the same bytes. */
export function encodeModel(model: ModelProto): Uint8Array {
  return modelType.encode(modelType.fromObject(model)).finish();
}
