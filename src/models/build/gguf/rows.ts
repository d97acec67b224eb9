import { type TensorSpec, tensorBytes } from '../tensor.js';

/** Elements of a transposed matrix that are held at once: 128 MB in half precision. */
const largestPanel = 2 ** 26;
/** Rows of the stored matrix that are turned at once: their half of a cache line is written whole. */
const turnedRows = 32;

/** A half-precision tensor's elements in the order they are stored in, in chunks valid until the next is asked for. */
export function* storedHalves(tensor: TensorSpec, seed: number): Generator<Uint16Array> {
  for (const chunk of tensorBytes(tensor, seed))
    yield new Uint16Array(chunk.buffer, chunk.byteOffset, chunk.byteLength / 2);
}

/**
 * A matrix [inputs, outputs] as ggml has it: a row of `inputs` elements for each output, in the order that `outputOf`
 * gives. Where the whole is too large to hold, its numbers are drawn anew for every panel of rows.
 */
export function* transposedHalves(
  tensor: TensorSpec,
  seed: number,
  outputOf: (row: number) => number = (row) => row,
  panelElements = largestPanel,
): Generator<Uint16Array> {
  const [inputs, outputs] = tensor.dims as [number, number];
  const rowsPerPanel = Math.max(1, Math.floor(panelElements / inputs));
  for (let first = 0; first < outputs; first += rowsPerPanel) {
    const rows = Math.min(rowsPerPanel, outputs - first);
    const columns = Uint32Array.from({ length: rows }, (_, row) => outputOf(first + row));
    const panel = new Uint16Array(rows * inputs);
    let from = 0;
    for (const strip of strips(storedHalves(tensor, seed), outputs, inputs)) {
      const height = strip.length / outputs;
      for (let row = 0; row < rows; row++) {
        const column = columns[row]!;
        const target = row * inputs + from;
        for (let input = 0; input < height; input++) panel[target + input] = strip[input * outputs + column]!;
      }
      from += height;
    }
    yield panel;
  }
}

/** A stream cut into strips of whole rows, `turnedRows` of them where so many are left. */
function* strips(chunks: Iterable<Uint16Array>, rowLength: number, rows: number): Generator<Uint16Array> {
  const strip = new Uint16Array(Math.min(turnedRows, rows) * rowLength);
  let filled = 0;
  for (const chunk of chunks) {
    for (let taken = 0; taken < chunk.length; ) {
      const count = Math.min(strip.length - filled, chunk.length - taken);
      strip.set(chunk.subarray(taken, taken + count), filled);
      taken += count;
      filled += count;
      if (filled < strip.length) continue;
      yield strip;
      filled = 0;
    }
  }
  if (filled > 0) yield strip.subarray(0, filled);
}

/** Every other row of a tensor, from the first (`parity` 0) or the second on. */
export function* alternateHalves(tensor: TensorSpec, seed: number, parity: 0 | 1): Generator<Uint16Array> {
  const rowLength = tensor.dims.at(-1)!;
  const rows = tensor.dims.slice(0, -1).reduce((product, dim) => product * dim, 1);
  for (const strip of strips(storedHalves(tensor, seed), rowLength, rows)) {
    const kept = new Uint16Array(strip.length / 2);
    for (let row = parity; row < strip.length / rowLength; row += 2)
      kept.set(strip.subarray(row * rowLength, (row + 1) * rowLength), (row >> 1) * rowLength);
    yield kept;
  }
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
