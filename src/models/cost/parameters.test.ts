import { describe, expect, test } from 'vitest';
import type { GraphProto, TensorProto } from '../onnx/proto.js';
import { DataType } from '../onnx/tensor-data.js';
import { countParameters } from './parameters.js';
import { floats, info, ints, model, node, weight } from './test-graph.test-support.js';

const count = (graph: Partial<GraphProto>, tied?: boolean) => countParameters(model(graph), tied);
const [vocabulary, hidden] = [96, 64];

/** Numbers of unit-like spread that repeat for the same seed (a linear congruential generator). */
function noise(length: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

const raw = (
  name: string,
  dims: number[],
  data: Float32Array | Uint8Array,
  dataType: number,
): TensorProto => ({
  name,
  dims,
  dataType,
  rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
});

function transposed(table: Float32Array): Float32Array {
  const result = new Float32Array(table.length);
  for (let row = 0; row < vocabulary; row++)
    for (let column = 0; column < hidden; column++)
      result[column * vocabulary + row] = table[row * hidden + column]!;
  return result;
}

/** Embedding, head; `head` makes the node and its weights of a matrix [vocabulary, hidden]. */
function decoder(table: Float32Array, head: { nodes: GraphProto['node']; weights: TensorProto[] }) {
  return {
    node: [node('Gather', ['table', 'ids'], 'x'), ...head.nodes!],
    initializer: [raw('table', [vocabulary, hidden], table, DataType.float), ...head.weights],
    input: [info('ids', ['n'], DataType.int64)],
    output: [info('y', null)],
  };
}

function floatHead(matrix: Float32Array) {
  const weights = [raw('head', [hidden, vocabulary], transposed(matrix), DataType.float)];
  return { nodes: [node('MatMul', ['x', 'head'], 'y')], weights };
}

function convolutionHead(matrix: Float32Array) {
  const weights = [raw('head', [vocabulary, hidden, 1, 1], matrix, DataType.float)];
  return { nodes: [node('Conv', ['x', 'head'], 'y')], weights };
}

function transposedHead(matrix: Float32Array) {
  const weights = [raw('head', [vocabulary, hidden], matrix, DataType.float)];
  const nodes = [
    node('Transpose', ['head'], 't', { attributes: { perm: [1, 0] } }),
    node('Einsum', ['x', 't'], 'y', { attributes: { equation: 'ij,jk->ik' } }),
  ];
  return { nodes, weights };
}

/** Signed codes as bytes, and scales that differ tenfold from row to row. */
function rowwiseHead(matrix: Float32Array) {
  const scales = Float32Array.from({ length: vocabulary }, (_, row) => (row % 2 ? 1 / 127 : 10 / 127));
  const codes = Uint8Array.from(
    matrix,
    (value, at) => Math.round(value / scales[Math.floor(at / hidden)]!) & 0xff,
  );
  const weights = [
    raw('codes', [vocabulary, hidden], codes, DataType.int8),
    raw('scales', [vocabulary], scales, DataType.float),
  ];
  const nodes = [
    node('DequantizeLinear', ['codes', 'scales'], 'd', { attributes: { axis: 0 } }),
    node('Transpose', ['d'], 't', { attributes: { perm: [1, 0] } }),
    node('MatMul', ['x', 't'], 'y'),
  ];
  return { nodes, weights };
}

/** 4-bit codes about 8, a scale for each 32. */
function blockHead(matrix: Float32Array) {
  const blocks = hidden / 32;
  const scales = new Float32Array(vocabulary * blocks);
  const codes = new Uint8Array((vocabulary * hidden) / 2);
  for (let block = 0; block < vocabulary * blocks; block++) {
    const part = matrix.subarray(block * 32, block * 32 + 32);
    const scale = Math.max(...part.map(Math.abs)) / 7;
    scales[block] = scale;
    part.forEach((value, index) => {
      codes[block * 16 + (index >> 1)]! |= (Math.round(value / scale) + 8) << ((index & 1) * 4);
    });
  }
  const attributes = { K: hidden, N: vocabulary, bits: 4, block_size: 32 };
  return {
    nodes: [node('MatMulNBits', ['x', 'codes', 'scales'], 'y', { domain: 'com.microsoft', attributes })],
    weights: [
      raw('codes', [vocabulary, blocks, 16], codes, DataType.uint8),
      raw('scales', [vocabulary, blocks], scales, DataType.float),
    ],
  };
}

test('weights that the graph makes of a fill and a shape count like any other', () => {
  const graph = {
    node: [
      node('ConstantOfShape', ['shape'], 'kernel'),
      node('ConstantOfShape', ['side'], 'mask'),
      node('Trilu', ['mask'], 'triangle'),
      node('Conv', ['x', 'kernel'], 'c'),
      node('Add', ['c', 'triangle'], 'y'),
    ],
    initializer: [ints('shape', [4, 3, 3, 3]), ints('side', [8, 8])],
    input: [info('x', [1, 3, 10, 10])],
    output: [info('y', null)],
  };
  expect(count(graph)).toBe(4 * 3 * 3 * 3);
});

test.each([DataType.uint8, DataType.int8, DataType.uint16, DataType.int16])(
  'weights of type %i count, however they are laid out before they are scaled',
  (type) => {
    const scale = floats('s', [0.5], []);
    const tail = {
      initializer: [weight('q', [4, 6], type), scale],
      input: [info('x', [2, 6])],
      output: [info('y', null)],
    };
    const through = (nodes: GraphProto['node']) =>
      count({ ...tail, node: [...nodes!, node('MatMul', ['x', 'w'], 'y')] });
    const transpose = node('Transpose', ['q'], 't', { attributes: { perm: [1, 0] } });
    expect(
      through([node('DequantizeLinear', ['q', 's'], 'd'), { ...transpose, input: ['d'], output: ['w'] }]),
    ).toBe(24);
    expect(through([transpose, node('DequantizeLinear', ['t', 's'], 'w')])).toBe(24);
    expect(
      through([transpose, node('Cast', ['t'], 'f', { attributes: { to: 1 } }), node('Mul', ['f', 's'], 'w')]),
    ).toBe(24);
  },
);

describe('a head stored apart from the embedding table', () => {
  const [table, other] = [noise(vocabulary * hidden, 1), noise(vocabulary * hidden, 2)];
  test.each([
    ['in float', floatHead],
    ['in 4 bits', blockHead],
    ['as a convolution', convolutionHead],
    ['behind a transposition', transposedHead],
    ['in 8 bits, with a scale for each row', rowwiseHead],
  ])('counts once where it is the same matrix, twice where it is not (%s)', (_, head) => {
    expect(count(decoder(table, head(table)))).toBe(vocabulary * hidden);
    expect(count(decoder(table, head(other)))).toBe(2 * vocabulary * hidden);
  });

  test('counts as config.json says, whatever the weights are', () => {
    expect(count(decoder(table, blockHead(other)), true)).toBe(vocabulary * hidden);
    expect(count(decoder(table, floatHead(table)), false)).toBe(2 * vocabulary * hidden);
  });

  test('counts twice where its weights are elsewhere and nothing is said', () => {
    const outside = {
      nodes: [node('MatMul', ['x', 'head'], 'y')],
      weights: [weight('head', [hidden, vocabulary])],
    };
    expect(count(decoder(table, outside))).toBe(2 * vocabulary * hidden);
    expect(count(decoder(table, outside), true)).toBe(vocabulary * hidden);
  });
});

test('integers, lone scalars, scales and zero points are no parameters', () => {
  const graph = {
    node: [
      node('DynamicQuantizeLinear', ['x'], 'xq', { outputs: ['xq', 'xs', 'xz'] }),
      node('MatMulInteger', ['xq', 'w', 'xz', 'wz'], 'p'),
      node('Cast', ['p'], 'f', { attributes: { to: 1 } }),
      node('Mul', ['xs', 'ws'], 's'),
      node('Mul', ['f', 's'], 'm'),
      node('Mul', ['m', 'half'], 'h'),
      node('Reshape', ['h', 'shape'], 'y'),
    ],
    initializer: [
      weight('w', [8, 5], DataType.int8),
      weight('wz', [5], DataType.int8),
      weight('ws', [5]),
      floats('half', [0.5]),
      ints('shape', [-1, 5]),
    ],
  };
  expect(count(graph)).toBe(40);
});

test('rotary frequencies and tables are no parameters, learned positions are', () => {
  const frequencies = {
    node: [
      node('Mul', ['at', 'f'], 'a'),
      node('Concat', ['a', 'a'], 'b'),
      node('Cos', ['b'], 'c'),
      node('Sin', ['b'], 's'),
    ],
    initializer: [weight('f', [1, 1, 16])],
  };
  expect(count(frequencies)).toBe(0);
  const tables = {
    node: [
      node('Gather', ['cos', 'ids'], 'a'),
      node('Unsqueeze', ['a', 'axes'], 'b'),
      node('Mul', ['q', 'b'], 'y'),
      node('Gather', ['positions', 'ids'], 'e'),
      node('Add', ['x', 'e'], 'z'),
    ],
    initializer: [weight('cos', [128, 16]), weight('positions', [128, 16]), ints('axes', [1])],
  };
  expect(count(tables)).toBe(128 * 16);
  // Gemma scales what it looks up by a constant.
  const scaled = {
    node: [node('Gather', ['table', 'ids'], 'a'), node('Mul', ['a', 'scale'], 'y')],
    initializer: [weight('table', [128, 16]), floats('scale', [8])],
  };
  expect(count(scaled)).toBe(128 * 16);
});

test('ones that only broadcast are no parameters, ones that may be trained are', () => {
  const repeat = {
    node: [node('Mul', ['k', 'ones'], 'y')],
    initializer: [floats('ones', [1, 1], [1, 2, 1])],
  };
  expect(count(repeat)).toBe(0);
  expect(count({ ...repeat, initializer: [floats('ones', [1, 1])] })).toBe(2);
});

test('weights in Constant nodes and in branches count', () => {
  const branch = {
    name: 'b',
    node: [node('MatMul', ['x', 'inner'], 'p')],
    initializer: [weight('inner', [3, 3])],
    output: [info('p', null)],
  };
  const graph = {
    node: [
      node('Constant', [], 'w', { attributes: { value: { tensor: weight('', [4, 3]) } } }),
      node('MatMul', ['x', 'w'], 'a'),
      node('If', ['c'], 'y', {
        attributes: { then_branch: { graph: branch }, else_branch: { graph: branch } },
      }),
    ],
  };
  expect(count(graph)).toBe(12 + 2 * 9);
});
