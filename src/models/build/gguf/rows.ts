import { halfStream, type TensorSpec } from '../tensor.js';

/** Rows of a tensor as ggml has it, `to` not among them. */
export interface RowRange {
  from: number;
  to: number;
}

/** Elements that are held at once, 16 MB in half precision. */
const heldElements = 2 ** 23;
/** Rows of the stored matrix that are turned at once: their half of a cache line is written whole. */
const turnedRows = 32;

/** Rows of a half-precision tensor as they are stored, in chunks valid until the next is asked for. */
export function* storedHalves(
  tensor: TensorSpec,
  seed: number,
  { from, to }: RowRange,
): Generator<Uint16Array> {
  const rowLength = tensor.dims.at(-1)!;
  const stream = halfStream(tensor, seed);
  stream.skip(from * rowLength);
  for (const rows of portions({ from, to }, rowLength)) {
    stream.fill(rows);
    yield rows;
  }
}

/** Every other row of a tensor from the first (`parity` 0) or the second on, in chunks as those of `storedHalves`. */
export function* alternateHalves(
  tensor: TensorSpec,
  seed: number,
  parity: 0 | 1,
  { from, to }: RowRange,
): Generator<Uint16Array> {
  const rowLength = tensor.dims.at(-1)!;
  const stream = halfStream(tensor, seed);
  stream.skip((2 * from + parity) * rowLength);
  for (const rows of portions({ from, to }, rowLength)) {
    for (let at = 0; at < rows.length; at += rowLength) {
      stream.fill(rows.subarray(at, at + rowLength));
      stream.skip(rowLength);
    }
    yield rows;
  }
}

/** Memory for a range of rows, a part at a time: the same memory, whose last part is shorter. */
function* portions({ from, to }: RowRange, rowLength: number): Generator<Uint16Array> {
  const most = Math.max(1, Math.floor(2 ** 18 / rowLength));
  const memory = new Uint16Array(Math.min(most, to - from) * rowLength);
  for (let first = from; first < to; first += most)
    yield memory.subarray(0, Math.min(most, to - first) * rowLength);
}

/**
 * Rows of a matrix [inputs, outputs] as ggml has it: one of `inputs` elements for each output, in the order that
 * `outputOf` gives. Of each stored row, only the elements of as many rows as are held at once are drawn.
 */
export function* transposedHalves(
  tensor: TensorSpec,
  seed: number,
  outputOf: (row: number) => number,
  { from, to }: RowRange,
  held = heldElements,
): Generator<Uint16Array> {
  const [inputs, outputs] = tensor.dims as [number, number];
  const rowsPerPanel = Math.max(1, Math.floor(held / inputs));
  for (let first = from; first < to; first += rowsPerPanel) {
    const rows = Math.min(rowsPerPanel, to - first);
    const columns = Uint32Array.from({ length: rows }, (_, row) => outputOf(first + row));
    const [lowest, highest] = extremes(columns);
    const width = highest + 1 - lowest;
    const panel = new Uint16Array(rows * inputs);
    const strip = new Uint16Array(Math.min(turnedRows, inputs) * width);
    const stream = halfStream(tensor, seed);
    stream.skip(lowest);
    for (let input = 0; input < inputs; input += turnedRows) {
      const height = Math.min(turnedRows, inputs - input);
      for (let at = 0; at < height; at++) {
        stream.fill(strip.subarray(at * width, (at + 1) * width));
        stream.skip(outputs - width);
      }
      for (let row = 0; row < rows; row++) {
        const target = row * inputs + input;
        const source = columns[row]! - lowest;
        for (let at = 0; at < height; at++) panel[target + at] = strip[source + at * width]!;
      }
    }
    yield panel;
  }
}

function extremes(values: Uint32Array): [lowest: number, highest: number] {
  let [lowest, highest] = [values[0]!, values[0]!];
  for (const value of values) {
    lowest = Math.min(lowest, value);
    highest = Math.max(highest, value);
  }
  return [lowest, highest];
}

/**
 * Where a head's rows stand in a matrix whose rotary halves are paired as (0, 1), (2, 3) …, of one where they are
 * paired as (0, d/2), (1, d/2 + 1) …: llama.cpp rotates Llama's the first way, and everyone else's the second.
 */
export function interleavedRow(headDim: number): (row: number) => number {
  return (row) => {
    const within = row % headDim;
    return row - within + (within % 2) * (headDim / 2) + (within >> 1);
  };
}
