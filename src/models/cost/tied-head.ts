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
  const tensors = new Map((graph.initializer ?? []).map((tensor) => [tensor.name ?? '', tensor]));
  const table = embeddingTable(graph, tensors);
  if (!table) return 0;
  const [rows, columns] = table.dims as [number, number];
  const head = findHead(graph, tensors, table, rows, columns);
  if (!head) return 0;
  const own = tied ? undefined : denseMatrix(table, columns, 1);
  const same = tied ?? (own && head.matrix ? correlation(own, head.matrix, rows, columns) > 0.9 : false);
  return same ? rows * columns : 0;
}

/** The largest matrix that rows are gathered from. */
function embeddingTable(graph: GraphProto, tensors: Map<string, TensorProto>): TensorProto | undefined {
  const tables = (graph.node ?? [])
    .filter(({ opType }) => opType === 'Gather')
    .map(({ input }) => tensors.get(input?.[0] ?? ''))
    .filter((tensor) => tensor?.dims?.length === 2 && (isFloat(tensor.dataType ?? 0) || isByte(tensor)))
    .map((tensor) => tensor!);
  const sorted = tables.sort((a, b) => elementCount(b.dims!) - elementCount(a.dims!));
  return sorted[0];
}

/** The last product of hidden states [.., columns] with a matrix of `rows` outputs, not the table itself. */
function findHead(
  graph: GraphProto,
  tensors: Map<string, TensorProto>,
  table: TensorProto,
  rows: number,
  columns: number,
): { matrix: Matrix | undefined } | undefined {
  for (const node of (graph.node ?? []).toReversed()) {
    const weight = tensors.get(node.input?.[1] ?? '');
    if (!weight || weight === table) continue;
    if (node.opType === 'MatMulNBits') {
      const attributes = new Attributes(node.attribute);
      if (attributes.int('N', 0) !== rows || attributes.int('K', 0) !== columns) continue;
      return { matrix: blockMatrix(node, tensors) };
    }
    const [first, second] = weight.dims ?? [];
    if (
      (node.opType === 'MatMul' || node.opType === 'MatMulInteger') &&
      first === columns &&
      second === rows
    ) {
      return { matrix: denseMatrix(weight, 1, rows) };
    }
    const transposed = node.opType === 'Gemm' && new Attributes(node.attribute).int('transB', 0) === 1;
    if (transposed && first === rows && second === columns)
      return { matrix: denseMatrix(weight, columns, 1) };
  }
  return undefined;
}

const isByte = ({ dataType }: TensorProto) => dataType === DataType.int8 || dataType === DataType.uint8;

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
