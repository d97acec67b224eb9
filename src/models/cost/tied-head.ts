import { Attributes } from '../onnx/attributes.js';
import type { GraphProto, NodeProto, TensorProto } from '../onnx/proto.js';
import { DataType, elementCount, isFloat, numberReader } from '../onnx/tensor-data.js';

/** Element of a [vocabulary, hidden] matrix, however it is stored. */
type Matrix = (row: number, column: number) => number;

/**
 * Parameters of an output head that is stored apart from the embedding table though it is the same matrix
 * (transposed or quantised); 0 where there is none. `tied` says so, or not; without it the two are compared
 * where both are inside the file.
 */
export function tiedHeadSize(graph: GraphProto, tied?: boolean): number {
  if (tied === false) return 0;
  const tensors = constantTensors(graph);
  const table = embeddingTable(graph, tensors);
  if (!table) return 0;
  const [rows, columns] = table.dims as [number, number];
  const heads = headsOf(graph, tensors, table, rows, columns);
  const own = tied ? undefined : denseMatrix(table, columns, 1);
  const same = ({ matrix }: Head) =>
    tied ?? (own && matrix ? correlation(own, matrix, rows, columns) > 0.9 : false);
  return heads.some(same) ? rows * columns : 0;
}

/** Initializers, and what Constant nodes hold. */
function constantTensors(graph: GraphProto): Map<string, TensorProto> {
  const tensors = new Map((graph.initializer ?? []).map((tensor) => [tensor.name ?? '', tensor]));
  for (const { opType, output, attribute } of graph.node ?? []) {
    const value = opType === 'Constant' ? attribute?.find(({ name }) => name === 'value')?.t : undefined;
    if (value) tensors.set(output?.[0] ?? '', { ...value, name: output?.[0] ?? '' });
  }
  return tensors;
}

/** The largest matrix that rows are gathered from. */
function embeddingTable(graph: GraphProto, tensors: Map<string, TensorProto>): TensorProto | undefined {
  const tables = (graph.node ?? [])
    .filter(({ opType }) => opType === 'Gather')
    .map(({ input }) => tensors.get(input?.[0] ?? ''))
    .filter((tensor) => tensor?.dims?.length === 2 && (isFloat(tensor.dataType ?? 0) || isQuantised(tensor)))
    .map((tensor) => tensor!);
  const sorted = tables.sort((a, b) => elementCount(b.dims!) - elementCount(a.dims!));
  return sorted[0];
}

interface Head {
  /** Undefined where its data is not inside the file. */
  matrix: Matrix | undefined;
}

/**
 * Every tensor but the table that could be the same matrix by its size: laid out either way, quantised in
 * blocks or with a scale for each row or column, whichever operator reads it.
 */
function headsOf(
  graph: GraphProto,
  tensors: Map<string, TensorProto>,
  table: TensorProto,
  rows: number,
  columns: number,
): Head[] {
  const heads: Head[] = [];
  const scaledBy = new Map<string, NodeProto>();
  for (const node of graph.node ?? []) {
    if (node.opType === 'DequantizeLinear') scaledBy.set(node.input?.[0] ?? '', node);
    if (node.opType !== 'MatMulNBits') continue;
    const attributes = new Attributes(node.attribute);
    if (attributes.int('N', 0) === rows && attributes.int('K', 0) === columns)
      heads.push({ matrix: blockMatrix(node, tensors) });
  }
  for (const tensor of tensors.values()) {
    if (tensor === table || !(isFloat(tensor.dataType ?? 0) || isQuantised(tensor))) continue;
    const [first, second, ...rest] = (tensor.dims ?? []).filter((size) => size !== 1);
    if (rest.length > 0) continue;
    const scale = scaleOf(scaledBy.get(tensor.name ?? ''), tensors);
    if (first === rows && second === columns) heads.push({ matrix: scaled(tensor, columns, 1, scale) });
    if (first === columns && second === rows) heads.push({ matrix: scaled(tensor, 1, rows, scale) });
  }
  return heads;
}

interface Scale {
  /** Axis of the stored tensor to which scales and zero points belong. */
  axis: number;
  scales: (index: number) => number;
  zeros: ((index: number) => number) | undefined;
  count: number;
}

function scaleOf(node: NodeProto | undefined, tensors: Map<string, TensorProto>): Scale | undefined {
  const stored = tensors.get(node?.input?.[1] ?? '');
  const scales = numberReader(stored);
  if (!node || !stored || !scales) return undefined;
  const zeros = numberReader(tensors.get(node.input?.[2] ?? ''));
  const axis = new Attributes(node.attribute).int('axis', 1);
  return { axis, scales, zeros, count: elementCount(stored.dims ?? []) };
}

function scaled(
  tensor: TensorProto,
  rowStride: number,
  columnStride: number,
  scale: Scale | undefined,
): Matrix | undefined {
  const codes = denseMatrix(tensor, rowStride, columnStride);
  if (!codes || !scale) return codes;
  const transposed = rowStride === 1;
  const rank = tensor.dims?.length ?? 0;
  const onFirst = (scale.axis < 0 ? scale.axis + rank : scale.axis) === 0;
  const byRow = onFirst !== transposed;
  return (row, column) => {
    const at = scale.count === 1 ? 0 : byRow ? row : column;
    return (codes(row, column) - (scale.zeros?.(at) ?? 0)) * scale.scales(at);
  };
}

const quantisedTypes = new Set<number>([DataType.int8, DataType.uint8, DataType.int16, DataType.uint16]);
const isQuantised = ({ dataType = 0 }: TensorProto) => quantisedTypes.has(dataType);

function denseMatrix(tensor: TensorProto, rowStride: number, columnStride: number): Matrix | undefined {
  const read = numberReader(tensor);
  return read && ((row, column) => read(row * rowStride + column * columnStride));
}

/** Weights of MatMulNBits: codes [N, blocks, bytes], a scale and perhaps a zero point per block. */
function blockMatrix({ input, attribute }: NodeProto, tensors: Map<string, TensorProto>): Matrix | undefined {
  const attributes = new Attributes(attribute);
  const [bits, size] = [attributes.int('bits', 4), attributes.int('block_size', 32)];
  const blocks = Math.ceil(attributes.int('K', 0) / size);
  const reader = (index: number) => numberReader(tensors.get(input?.[index] ?? ''));
  const [codes, scales, zeros] = [reader(1), reader(2), reader(3)];
  if (!codes || !scales || (bits !== 4 && bits !== 8)) return undefined;
  const code = (read: (index: number) => number, perRow: number, row: number, at: number) =>
    bits === 8 ? read(row * perRow + at) : (read(row * perRow + (at >> 1)) >> ((at & 1) * 4)) & 15;
  return (row, column) => {
    const block = Math.floor(column / size);
    const zero = zeros ? code(zeros, Math.ceil((blocks * bits) / 8), row, block) : 2 ** (bits - 1);
    return (code(codes, (blocks * size * bits) / 8, row, column) - zero) * scales(row * blocks + block);
  };
}

/** Pearson's correlation over places spread evenly; quantising to 4 bits leaves about 0.99 of a tied pair's. */
function correlation(a: Matrix, b: Matrix, rows: number, columns: number): number {
  const places = 4096;
  // A stride that shares no factor with the size visits rows and columns alike.
  const step = Math.max(1, Math.floor((rows * columns) / places)) | 1;
  let [n, sumA, sumB, squareA, squareB, product] = [0, 0, 0, 0, 0, 0];
  for (let at = 0; at < rows * columns; at += step) {
    const [row, column] = [Math.floor(at / columns), at % columns];
    const [x, y] = [a(row, column), b(row, column)];
    n++;
    sumA += x;
    sumB += y;
    squareA += x * x;
    squareB += y * y;
    product += x * y;
  }
  const spread = Math.sqrt((squareA - (sumA * sumA) / n) * (squareB - (sumB * sumB) / n));
  return spread > 0 ? (product - (sumA * sumB) / n) / spread : 0;
}
