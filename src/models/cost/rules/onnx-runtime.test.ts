/** Output shapes, and values where they are derived, of single operators: ours against ONNX Runtime's. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { encodeModel } from '../../onnx/proto.js';
import { DataType, elementCount } from '../../onnx/tensor-data.js';
import { countGraph, countPrepared } from '../count-graph.js';
import { tensor } from '../op-rule.js';
import { prepareModel } from '../prepare.js';
import { floats, ints, type OneNode, oneNode } from '../test-graph.test-support.js';

const at = (...shape: number[]) => ({ shape });
const int = (...shape: number[]) => ({ shape, dtype: DataType.int64 });
const byte = (...shape: number[]) => ({ shape, dtype: DataType.uint8 });
const scalar = floats('', [0.1], []);
const zeroPoint = { name: '', dims: [], dataType: DataType.uint8, rawData: new Uint8Array([3]) };
const image = at(2, 4, 13, 10);

const cases: OneNode[] = [
  { op: 'Conv', inputs: [image, at(6, 4, 3, 3)] },
  {
    op: 'Conv',
    inputs: [image, at(6, 2, 3, 3), at(6)],
    attributes: { group: 2, strides: [2, 3], pads: [1, 0, 2, 1] },
  },
  {
    op: 'Conv',
    inputs: [image, at(8, 1, 5, 3)],
    attributes: { group: 4, dilations: [2, 2], pads: [4, 2, 4, 2] },
  },
  { op: 'Conv', inputs: [image, at(6, 4, 3, 3)], attributes: { auto_pad: 'SAME_UPPER', strides: [2, 2] } },
  { op: 'Conv', inputs: [image, at(6, 4, 3, 3)], attributes: { auto_pad: 'VALID', strides: [3, 1] } },
  { op: 'Conv', inputs: [at(1, 3, 20), at(5, 3, 4)], attributes: { strides: [3] } },
  {
    op: 'ConvTranspose',
    inputs: [image, at(4, 3, 3, 3)],
    attributes: { strides: [2, 2], pads: [1, 1, 1, 1] },
  },
  {
    op: 'ConvTranspose',
    inputs: [image, at(4, 3, 4, 4), at(6)],
    attributes: { group: 2, strides: [3, 2], output_padding: [1, 0], dilations: [1, 2] },
  },
  {
    op: 'ConvTranspose',
    inputs: [image, at(4, 3, 3, 3)],
    attributes: { strides: [2, 2], output_shape: [27, 21] },
  },
  { op: 'MaxPool', inputs: [image], attributes: { kernel_shape: [3, 2], strides: [2, 2] } },
  { op: 'MaxPool', inputs: [image], attributes: { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 } },
  {
    op: 'MaxPool',
    inputs: [at(1, 1, 6, 6)],
    attributes: { kernel_shape: [2, 2], strides: [3, 3], pads: [1, 1, 1, 1], ceil_mode: 1 },
  },
  { op: 'AveragePool', inputs: [image], attributes: { kernel_shape: [5, 5], pads: [2, 2, 2, 2] } },
  { op: 'GlobalAveragePool', inputs: [image] },
  { op: 'Resize', inputs: [image, null, floats('', [1, 1, 2.5, 2])], attributes: { mode: 'linear' } },
  { op: 'Resize', inputs: [image, null, null, ints('', [2, 4, 30, 5])] },
  { op: 'Gemm', inputs: [at(5, 7), at(3, 5), at(3)], attributes: { transA: 1, transB: 1 } },
  { op: 'MatMul', inputs: [at(2, 1, 5, 7), at(3, 7, 4)] },
  { op: 'MatMul', inputs: [at(7), at(3, 7, 4)] },
  { op: 'MatMul', inputs: [at(3, 5, 7), at(7)] },
  {
    op: 'FusedMatMul',
    domain: 'com.microsoft',
    inputs: [at(3, 7, 5), at(3, 4, 7)],
    attributes: { transA: 1, transB: 1 },
  },
  { op: 'Einsum', inputs: [at(2, 3, 4), at(4, 5)], attributes: { equation: 'bij,jk->bik' } },
  { op: 'Einsum', inputs: [at(2, 3, 4, 5), at(2, 3, 6, 5)], attributes: { equation: '...id,...jd->...ij' } },
  { op: 'Einsum', inputs: [at(2, 3), at(3, 4)], attributes: { equation: 'ij,jk' } },
  { op: 'Einsum', inputs: [at(4, 3)], attributes: { equation: 'ij->j' } },
  {
    op: 'QLinearMatMul',
    inputs: [byte(4, 5), scalar, zeroPoint, byte(5, 6), scalar, zeroPoint, scalar, zeroPoint],
  },
  {
    op: 'QLinearConv',
    inputs: [byte(1, 4, 9, 9), scalar, zeroPoint, byte(6, 4, 3, 3), scalar, zeroPoint, scalar, zeroPoint],
  },
  { op: 'MatMulInteger', inputs: [byte(4, 5), byte(5, 6)] },
  { op: 'DynamicQuantizeLinear', inputs: [at(3, 4)], outputs: ['y', 'scale', 'zero'] },
  { op: 'Transpose', inputs: [image], attributes: { perm: [0, 2, 3, 1] } },
  { op: 'Concat', inputs: [at(2, 3), at(2, 5)], attributes: { axis: -1 } },
  { op: 'Split', inputs: [at(7, 2)], attributes: { axis: 0, num_outputs: 3 }, outputs: ['a', 'b', 'c'] },
  { op: 'Split', inputs: [at(7, 2), ints('', [1, 6])], attributes: { axis: 0 }, outputs: ['a', 'b'] },
  { op: 'Slice', inputs: [image, ints('', [1, -3]), ints('', [2 ** 53, -1]), ints('', [2, 3])] },
  { op: 'Slice', inputs: [image, ints('', [-1]), ints('', [-(2 ** 53)]), ints('', [2]), ints('', [-2])] },
  { op: 'Slice', inputs: [image, ints('', [20]), ints('', [30]), ints('', [2])] },
  { op: 'Gather', inputs: [at(5, 6, 7), ints('', [1, 0, 2])], attributes: { axis: 1 } },
  { op: 'Gather', inputs: [at(5, 6, 7), ints('', [-1], true)], attributes: { axis: 2 } },
  { op: 'GatherElements', inputs: [at(5, 6), int(2, 6)] },
  { op: 'GatherND', inputs: [at(5, 6, 7), int(4, 2)] },
  { op: 'Expand', inputs: [at(3, 1), ints('', [2, 1, 6])] },
  { op: 'Tile', inputs: [at(3, 2), ints('', [2, 3])] },
  { op: 'Pad', inputs: [at(3, 2), ints('', [1, 0, 2, 5])] },
  { op: 'OneHot', inputs: [int(2, 3), ints('', [4], true), floats('', [0, 1])], attributes: { axis: 1 } },
  { op: 'TopK', inputs: [at(3, 9), ints('', [4])], outputs: ['y', 'at'] },
  { op: 'Trilu', inputs: [at(4, 4)] },
  { op: 'DepthToSpace', inputs: [at(1, 8, 2, 3)], attributes: { blocksize: 2 } },
  { op: 'SpaceToDepth', inputs: [at(1, 2, 4, 6)], attributes: { blocksize: 2 } },
  { op: 'ArgMax', inputs: [at(3, 9)], attributes: { axis: 1, keepdims: 0 } },
  { op: 'Reshape', inputs: [at(2, 6, 4), ints('', [0, -1, 8])] },
  { op: 'Flatten', inputs: [image], attributes: { axis: 2 } },
  { op: 'Squeeze', inputs: [at(1, 3, 1)] },
  { op: 'Squeeze', inputs: [at(1, 3, 1), ints('', [-1])] },
  { op: 'Unsqueeze', inputs: [at(3, 4), ints('', [0, -1])] },
  { op: 'ReduceMean', inputs: [image, ints('', [1, -1])] },
  { op: 'ReduceSum', inputs: [image, ints('', [2])], attributes: { keepdims: 0 } },
  { op: 'ReduceMax', inputs: [image] },
  { op: 'Add', inputs: [at(4, 1, 3), at(5, 1)] },
  { op: 'Where', inputs: [{ shape: [4, 1], dtype: DataType.bool }, at(3), at(1)] },
  { op: 'Equal', inputs: [int(4, 1), int(3)] },
  { op: 'Max', inputs: [at(4, 1), at(3), at(1)] },
  { op: 'LayerNormalization', inputs: [at(2, 3, 8), at(8), at(8)], outputs: ['y', 'mean', 'deviation'] },
  {
    op: 'SkipSimplifiedLayerNormalization',
    domain: 'com.microsoft',
    inputs: [at(2, 3, 8), at(2, 3, 8), at(8)],
    outputs: ['y', '', '', 'sum'],
  },
  {
    op: 'LSTM',
    inputs: [at(7, 2, 5), at(2, 12, 5), at(2, 12, 3)],
    attributes: { hidden_size: 3, direction: 'bidirectional' },
    outputs: ['y', 'h', 'c'],
  },
  {
    op: 'GRU',
    inputs: [at(7, 2, 5), at(1, 9, 5), at(1, 9, 3)],
    attributes: { hidden_size: 3 },
    outputs: ['y', 'h'],
  },
  {
    op: 'RNN',
    inputs: [at(7, 2, 5), at(1, 3, 5), at(1, 3, 3)],
    attributes: { hidden_size: 3 },
    outputs: ['y', 'h'],
  },
  {
    op: 'MultiHeadAttention',
    domain: 'com.microsoft',
    inputs: [at(2, 3, 8), at(2, 5, 8), at(2, 5, 8)],
    attributes: { num_heads: 2 },
  },
  {
    op: 'MultiHeadAttention',
    domain: 'com.microsoft',
    inputs: [at(2, 3, 8), at(2, 3, 8), at(2, 3, 8), null, null, null, at(2, 2, 6, 4), at(2, 2, 6, 4)],
    attributes: { num_heads: 2 },
    outputs: ['y', 'key', 'value'],
  },
  {
    op: 'Attention',
    domain: 'com.microsoft',
    inputs: [at(2, 3, 8), at(8, 24), at(24), null, at(2, 2, 2, 6, 4)],
    attributes: { num_heads: 2, unidirectional: 1 },
    outputs: ['y', 'present'],
  },
  {
    op: 'Attention',
    opset: 23,
    inputs: [at(2, 4, 3, 6), at(2, 2, 3, 6), at(2, 2, 3, 6), null, at(2, 2, 7, 6), at(2, 2, 7, 6)],
    outputs: ['y', 'key', 'value', 'scores'],
  },
  {
    op: 'Attention',
    opset: 23,
    inputs: [at(2, 3, 24), at(2, 5, 12), at(2, 5, 12)],
    attributes: { q_num_heads: 4, kv_num_heads: 2 },
  },
];

const feedTypes: Record<number, [type: string, zeros: (count: number) => ArrayLike<unknown>]> = {
  [DataType.float]: ['float32', (count) => new Float32Array(count).fill(0.5)],
  [DataType.int64]: ['int64', (count) => new BigInt64Array(count)],
  [DataType.uint8]: ['uint8', (count) => new Uint8Array(count)],
  [DataType.bool]: ['bool', (count) => new Uint8Array(count)],
};

async function run(given: OneNode): Promise<Record<string, Tensor>> {
  const model = oneNode(given);
  // ONNX Runtime wants to know the outputs' element types; it infers them for tensors inside the graph.
  for (const output of model.graph.output!) delete output.type;
  const session = await InferenceSession.create(encodeModel(model), {
    logSeverityLevel: 4,
    intraOpNumThreads: 1,
  });
  const feeds = Object.fromEntries(
    given.inputs.flatMap((input, index) => {
      if (!input || !('shape' in input)) return [];
      const [type, data] = feedTypes[input.dtype ?? DataType.float]!;
      return [
        [
          `i${index}`,
          new Tensor(type as 'float32', data(elementCount(input.shape)) as Float32Array, input.shape),
        ],
      ];
    }),
  );
  const outputs = await session.run(feeds);
  await session.release();
  return outputs as Record<string, Tensor>;
}

test.each(cases.map((given, index) => ({ ...given, index })))('$op ($index)', async (given) => {
  const outputs = await run(given);
  const model = oneNode(given);
  const shapes = Object.fromEntries(
    given.inputs.flatMap((input, index) => (input && 'shape' in input ? [[`i${index}`, input.shape]] : [])),
  );
  const count = countGraph(model, shapes);
  expect(count.warnings).toEqual([]);
  expect(count.outputShapes).toEqual(
    Object.fromEntries(Object.entries(outputs).map(([name, { dims }]) => [name, dims])),
  );
});

/** Index arithmetic on [2, 3, 5, 7] as exporters write it. */
const four = ints('', [2, 3, 5, 7]);
const arithmetic: OneNode[] = [
  { op: 'Slice', inputs: [four, ints('', [1]), ints('', [-1])] },
  { op: 'Slice', inputs: [four, ints('', [-1]), ints('', [-9]), ints('', [0]), ints('', [-2])] },
  { op: 'Gather', inputs: [four, ints('', [-1, 0])] },
  { op: 'Gather', inputs: [four, ints('', [2], true)] },
  { op: 'Concat', inputs: [four, ints('', [11])], attributes: { axis: 0 } },
  { op: 'Unsqueeze', inputs: [four, ints('', [1])] },
  { op: 'Reshape', inputs: [four, ints('', [2, -1])] },
  { op: 'Mul', inputs: [four, ints('', [3], true)] },
  { op: 'Div', inputs: [ints('', [-7, 7, 9]), ints('', [2], true)] },
  { op: 'Mod', inputs: [ints('', [-7, 7, 9]), ints('', [4], true)] },
  { op: 'Mod', inputs: [ints('', [-7, 7, 9]), ints('', [4], true)], attributes: { fmod: 1 } },
  { op: 'Sub', inputs: [four, ints('', [1, 1, 2, 3])] },
  { op: 'Min', inputs: [four, ints('', [4])] },
  {
    op: 'Where',
    inputs: [
      { name: '', dims: [4], dataType: DataType.bool, rawData: new Uint8Array([1, 0, 0, 1]) },
      four,
      ints('', [9]),
    ],
  },
  { op: 'Range', inputs: [ints('', [2], true), ints('', [9], true), ints('', [3], true)] },
  { op: 'Range', inputs: [ints('', [5], true), ints('', [-2], true), ints('', [-3], true)] },
  { op: 'ConstantOfShape', inputs: [ints('', [2, 2])], attributes: { value: { tensor: ints('', [4]) } } },
  { op: 'Expand', inputs: [ints('', [1, 2]), ints('', [3, 2])] },
  { op: 'Tile', inputs: [ints('', [1, 2]), ints('', [3])] },
  { op: 'NonZero', inputs: [ints('', [0, 4, 0, 5])] },
  { op: 'ReduceProd', inputs: [four], attributes: { keepdims: 0 } },
  { op: 'ReduceSum', inputs: [four] },
  { op: 'Cast', inputs: [floats('', [2.7, -2.7])], attributes: { to: DataType.int64 } },
  { op: 'Floor', inputs: [floats('', [2.5, -2.5])] },
  { op: 'Round', inputs: [floats('', [0.5, 1.5, 2.5, -0.5, -1.5, 1.2])] },
  { op: 'Squeeze', inputs: [ints('', [6]), ints('', [0])] },
  { op: 'Split', inputs: [four], attributes: { num_outputs: 2 }, outputs: ['a', 'b'] },
];

test.each(arithmetic.map((given, index) => ({ ...given, index })))(
  'the values of $op ($index)',
  async (given) => {
    const outputs = await run(given);
    const { scope } = countPrepared(
      prepareModel(oneNode(given), { causal: false, passes: 1 }),
      new Map([['', tensor(7, [])]]),
    );
    for (const [name, { dims, data }] of Object.entries(outputs)) {
      const value = scope.get(name)!;
      expect([value.shape, value.values?.map((x) => x + 0)]).toEqual([
        dims,
        Array.from(data as Iterable<number>, (x) => Number(x) + 0),
      ]);
    }
  },
);
