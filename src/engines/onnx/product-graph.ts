import type { Dtype } from '../../models/dtype.js';
import { halfBits } from '../../models/half.js';
import {
  type AttributeProto,
  encodeModel,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../../models/onnx/proto.js';

/** A matrix product [rows, inner] · [inner, columns]. */
export interface ProductShape {
  rows: number;
  inner: number;
  columns: number;
}

const float = 1;
const uint8 = 2;
const int64 = 7;
const half = 10;
const blockSize = 32;

/**
 * The one-node model y = x · weights, with weights of `dtype` as a decoder has them: constant, so that
 * the session may pack them; int8 and q4 in blocks of 32 (MatMulNBits, which multiplies in int8).
 */
export function productWithWeights(dtype: Dtype, shape: ProductShape): Uint8Array {
  const { rows, inner, columns } = shape;
  const type = dtype === 'fp16' ? half : float;
  const bits = dtype === 'q4' ? 4 : dtype === 'int8' ? 8 : null;
  const [node, weights] =
    bits === null ? floatProduct(dtype, inner, columns) : blockProduct(bits, inner, columns);
  return oneNode(node, [value('x', type, rows, inner)], value('y', type, rows, columns), weights);
}

/**
 * The model of `links` products in a row with the same square weights: the row `x` [1, size] repeated `rows`
 * times, times the weights, times the weights …; of the result, the last row is `y` [1, size]. Weights are
 * 1 ÷ size as far as the dtype has it, so that ones stay about one.
 */
export function productChain(
  dtype: Dtype,
  { rows, size, links }: { rows: number; size: number; links: number },
): Uint8Array {
  const type = dtype === 'fp16' ? half : float;
  const bits = dtype === 'q4' ? 4 : dtype === 'int8' ? 8 : null;
  const [product, weights] =
    bits === null ? floatProduct(dtype, size, size, 1 / size) : blockProduct(bits, size, size, 1 / size);
  return chainOf(product, weights, { type, rows, size, links });
}

/**
 * As `productChain`, of `links` sums with the same matrix [size, size] of small numbers in fp32 or fp16: each
 * reads two such matrices and writes a third, and computes next to nothing.
 */
export function sumChain(
  dtype: 'fp32' | 'fp16',
  { size, links }: { size: number; links: number },
): Uint8Array {
  const [, weights] = floatProduct(dtype, size, size, 1 / size);
  const sum = { opType: 'Add', input: ['x', 'w'] };
  return chainOf(sum, weights, { type: dtype === 'fp16' ? half : float, rows: size, size, links });
}

function chainOf(
  node: NodeProto,
  weights: TensorProto[],
  { type, rows, size, links }: { type: number; rows: number; size: number; links: number },
): Uint8Array {
  const nodes: NodeProto[] = [{ opType: 'Expand', input: ['x', 'shape'], output: ['x0'] }];
  for (let link = 0; link < links; link++) {
    const [, ...rest] = node.input!;
    nodes.push({ ...node, input: [`x${link}`, ...rest], output: [`x${link + 1}`] });
  }
  nodes.push({ opType: 'Slice', input: [`x${links}`, 'from', 'to', 'axis'], output: ['y'] });
  const constants = [
    integers('shape', [rows, size]),
    integers('from', [rows - 1]),
    integers('to', [rows]),
    integers('axis', [0]),
  ];
  return modelOf(nodes, [value('x', type, 1, size)], value('y', type, 1, size), [...weights, ...constants]);
}

/** The one-node model y = x · w in fp32 where both are inputs, so that w is read where it lies. */
export function productOfInputs({ rows, inner, columns }: ProductShape): Uint8Array {
  const inputs = [value('x', float, rows, inner), value('w', float, inner, columns)];
  const node = { opType: 'MatMul', input: ['x', 'w'], output: ['y'] };
  return oneNode(node, inputs, value('y', float, rows, columns), []);
}

type Product = [NodeProto, TensorProto[]];

/** Small normal numbers in every format. */
const weight = 2 ** -7;

function floatProduct(dtype: Dtype, inner: number, columns: number, element = weight): Product {
  const elements = inner * columns;
  const rawData =
    dtype === 'fp16'
      ? new Uint8Array(new Uint16Array(elements).fill(halfBits(element)).buffer)
      : new Uint8Array(new Float32Array(elements).fill(element).buffer);
  const weights = { name: 'w', dims: [inner, columns], dataType: dtype === 'fp16' ? half : float, rawData };
  return [{ opType: 'MatMul', input: ['x', 'w'], output: ['y'] }, [weights]];
}

function blockProduct(bits: 4 | 8, inner: number, columns: number, scale = weight): Product {
  const blocks = inner / blockSize;
  const blockBytes = (blockSize * bits) / 8;
  const codes: TensorProto = {
    name: 'w',
    dims: [columns, blocks, blockBytes],
    dataType: uint8,
    rawData: new Uint8Array(columns * blocks * blockBytes).fill(0x99),
  };
  const scales: TensorProto = {
    name: 'scales',
    dims: [columns, blocks],
    dataType: float,
    rawData: new Uint8Array(new Float32Array(columns * blocks).fill(scale).buffer),
  };
  const attributes = { K: inner, N: columns, bits, block_size: blockSize, accuracy_level: 4 };
  const attribute = Object.entries(attributes).map(([name, i]): AttributeProto => ({ name, type: 2, i }));
  const input = ['x', 'w', 'scales'];
  return [
    { opType: 'MatMulNBits', domain: 'com.microsoft', input, output: ['y'], attribute },
    [codes, scales],
  ];
}

function oneNode(
  node: NodeProto,
  input: ValueInfoProto[],
  output: ValueInfoProto,
  initializer: TensorProto[],
): Uint8Array {
  return modelOf([node], input, output, initializer);
}

function modelOf(
  node: NodeProto[],
  input: ValueInfoProto[],
  output: ValueInfoProto,
  initializer: TensorProto[],
): Uint8Array {
  const model: ModelProto = {
    irVersion: 9,
    opsetImport: [
      { domain: '', version: 17 },
      { domain: 'com.microsoft', version: 1 },
    ],
    graph: { name: 'product', node, input, output: [output], initializer },
  };
  return encodeModel(model);
}

function integers(name: string, values: number[]): TensorProto {
  const rawData = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
  return { name, dims: [values.length], dataType: int64, rawData };
}

function value(name: string, elemType: number, ...dims: number[]): ValueInfoProto {
  return { name, type: { tensorType: { elemType, shape: { dim: dims.map((dimValue) => ({ dimValue })) } } } };
}
