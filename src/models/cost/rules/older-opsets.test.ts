import { expect, test } from 'vitest';
import { DataType } from '../../onnx/tensor-data.js';
import { countGraph } from '../count-graph.js';
import { floats, info, ints, model, node, oneNode, weight } from '../test-graph.test-support.js';

const shapeOf = (given: Parameters<typeof oneNode>[0]) => countGraph(oneNode(given), {}).outputShapes;

test('before opset 7 the second operand met the first from an axis on', () => {
  const inputs = [{ shape: [2, 3, 4, 5] }, { shape: [3, 4] }];
  const attributes = { broadcast: 1, axis: 1 };
  expect(shapeOf({ op: 'Add', inputs, attributes, opset: 6 })).toEqual({ y: [2, 3, 4, 5] });
  expect(() => shapeOf({ op: 'Add', inputs, opset: 7 })).toThrow('do not broadcast');
});

test('a slope of one number a channel fits before opset 7', () => {
  const inputs = [{ shape: [2, 3, 4, 5] }, { shape: [3] }];
  expect(shapeOf({ op: 'PRelu', inputs, opset: 6 })).toEqual({ y: [2, 3, 4, 5] });
});

test("dropout's mask has a shape, and is of the data's type before opset 10", () => {
  for (const opset of [6, 9, 10, 13]) {
    const graph = model(
      {
        node: [
          node('Dropout', ['x'], 'y', { outputs: ['y', 'mask'] }),
          node('Cast', ['mask'], 'z', { attributes: { to: DataType.float } }),
        ],
        input: [info('x', [2, 3])],
        output: [info('y', null), info('z', null)],
      },
      opset,
    );
    const count = countGraph(graph, {});
    expect([count.outputShapes, count.notCounted]).toEqual([{ y: [2, 3], z: [2, 3] }, null]);
  }
});

test('the inputs of Resize by opset: scales; region, scales, sizes', () => {
  const data = { shape: [1, 1, 3, 3] };
  const scales = floats('', [1, 1, 2, 2]);
  expect(shapeOf({ op: 'Resize', inputs: [data, scales], opset: 10 })).toEqual({ y: [1, 1, 6, 6] });
  for (const opset of [11, 13, 18]) {
    expect(shapeOf({ op: 'Resize', inputs: [data, null, scales], opset })).toEqual({ y: [1, 1, 6, 6] });
    const sizes = ints('', [1, 1, 7, 5]);
    expect(shapeOf({ op: 'Resize', inputs: [data, null, null, sizes], opset })).toEqual({ y: [1, 1, 7, 5] });
  }
});

test('Resize multiplies in float32, as ONNX Runtime does', () => {
  const scales = floats('', [1, 1, Math.fround(5 / 3), Math.fround(5 / 3)]);
  const inputs = [{ shape: [1, 1, 3, 3] }, null, scales];
  expect(shapeOf({ op: 'Resize', inputs })).toEqual({ y: [1, 1, 5, 5] });
});

test.each([
  // 100 × 50 into 60 × 60: by the smaller ratio, 0.6, or the larger, 1.2.
  ['not_larger', [60, 30]],
  ['not_smaller', [120, 60]],
  ['stretch', [60, 60]],
])('Resize keeps the aspect ratio: %s', (policy, expected) => {
  const inputs = [{ shape: [1, 1, 100, 50] }, null, null, ints('', [60, 60])];
  const attributes = { axes: [2, 3], keep_aspect_ratio_policy: policy };
  expect(shapeOf({ op: 'Resize', inputs, attributes })).toEqual({ y: [1, 1, ...expected] });
});

test('antialiasing is not counted exactly', () => {
  const inputs = [{ shape: [1, 1, 8, 8] }, null, floats('', [1, 1, 0.5, 0.5])];
  const graph = oneNode({ op: 'Resize', inputs, attributes: { antialias: 1, mode: 'linear' } });
  expect(countGraph(graph, {}).notCounted).toContain('antialiased');
});

test('types of Cast and bounds of Clip stood in attributes, by name', () => {
  const cast = oneNode({ op: 'Cast', inputs: [{ shape: [2] }], attributes: { to: 'FLOAT16' }, opset: 5 });
  // 2 elements read as fp32, written as fp16.
  expect(countGraph(cast, {}).bytes.activations).toBe(2 * 4 + 2 * 2);
  const clip = oneNode({
    op: 'Clip',
    inputs: [{ shape: [2] }],
    attributes: { min: { float: 0 }, max: { float: 6 } },
    opset: 6,
  });
  expect(countGraph(clip, {})).toMatchObject({ flops: { elementwise: 4 }, notCounted: null });
});

test('a window hides what causality would not', () => {
  const attention = (local_window_size: number) =>
    countGraph(
      oneNode({
        op: 'GroupQueryAttention',
        domain: 'com.microsoft',
        inputs: [
          { shape: [1, 6, 8] },
          { shape: [1, 6, 8] },
          { shape: [1, 6, 8] },
          { shape: [1, 1, 4, 8] },
          { shape: [1, 1, 4, 8] },
          { shape: [1], dtype: DataType.int32 },
          ints('', [10], true),
        ],
        attributes: { num_heads: 1, kv_num_heads: 1, local_window_size },
        outputs: ['y', 'k', 'v'],
      }),
      {},
    ).flops;
  // Queries 5 to 10 of 10 see all before them, 5 + … + 10, or three each: ONNX Runtime 1.30 does so.
  expect(attention(-1).causal).toBe(4 * 8 * (5 + 6 + 7 + 8 + 9 + 10));
  expect(attention(3).causal).toBe(4 * 8 * 6 * 3);
  expect(attention(7).causal).toBe(4 * 8 * (5 + 6 + 7 * 4));
  expect(attention(3).matmul).toBe(attention(-1).matmul);
});

test('convolutions in other layouts cost what their kind does', () => {
  const flops = (given: Parameters<typeof oneNode>[0]) => {
    const { flops, outputShapes, notCounted } = countGraph(oneNode(given), {});
    expect(notCounted).toBeNull();
    return [flops.matmul, outputShapes.y];
  };
  // 3 channels of 8 × 8 to 4 channels by 3 × 3 windows: 6 × 6 places.
  const products = 2 * 36 * 4 * 3 * 9;
  const contrib = { domain: 'com.microsoft' };
  expect(
    flops({ op: 'NhwcConv', ...contrib, inputs: [{ shape: [1, 8, 8, 3] }, weight('', [4, 3, 3, 3])] }),
  ).toEqual([products, [1, 6, 6, 4]]);
  const deformed = [{ shape: [1, 3, 8, 8] }, weight('', [4, 3, 3, 3]), { shape: [1, 18, 6, 6] }];
  expect(flops({ op: 'DeformConv', inputs: deformed, opset: 19 })).toEqual([products, [1, 4, 6, 6]]);
  const causal = [{ shape: [2, 5, 7] }, weight('', [5, 1, 4])];
  expect(flops({ op: 'CausalConvWithState', ...contrib, inputs: causal })).toEqual([
    2 * 2 * 5 * 7 * 4,
    [2, 5, 7],
  ]);
});

test('a Fourier transform of 2ⁿ costs 5 N log₂ N, and any other is not counted exactly', () => {
  const dft = (length: number) =>
    countGraph(
      oneNode({ op: 'DFT', inputs: [{ shape: [3, length, 1] }], attributes: { axis: 1 }, opset: 17 }),
      {},
    );
  expect(dft(16)).toMatchObject({
    flops: { elementwise: 3 * 5 * 16 * 4 },
    outputShapes: { y: [3, 16, 2] },
    notCounted: null,
  });
  expect(dft(12).notCounted).toContain('no power of two');
});

test.each(['BeamSearch', 'GreedySearch', 'Sampling', 'RemovePadding'])(
  '%s is named, and not counted',
  (op) => {
    const graph = oneNode({ op, domain: 'com.microsoft', inputs: [{ shape: [1, 4] }, { shape: [1] }] });
    expect(countGraph(graph, {}).notCounted).toContain(op);
  },
);
