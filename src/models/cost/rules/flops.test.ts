/** FLOPs of single operators against closed forms and figures published for them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DataType } from '../../onnx/tensor-data.js';
import { countGraph } from '../count-graph.js';
import { info, ints, model, node, type OneNode, oneNode } from '../test-graph.test-support.js';

const at = (...shape: number[]) => ({ shape });

function count(given: OneNode) {
  const shapes = given.inputs.flatMap((input, index) =>
    input && 'shape' in input ? [[`i${index}`, input.shape] as const] : [],
  );
  return countGraph(oneNode(given), Object.fromEntries(shapes));
}
const flops = (given: OneNode) => count(given).flops;
const small = fc.integer({ min: 1, max: 6 });

describe('scaled dot-product attention, 4 × 8 heads of 64, 128 queries (PyTorch’s FLOP counter tests)', () => {
  const published = [
    { keys: 128, expected: 134_217_728 },
    { keys: 256, expected: 268_435_456 },
  ];
  /** The operators that attend, on the same shape; each with whether it can mask causally by itself. */
  const forms = (keys: number): Record<string, OneNode> => ({
    'Attention of opset 23': {
      op: 'Attention',
      opset: 23,
      inputs: [at(4, 8, 128, 64), at(4, 8, keys, 64), at(4, 8, keys, 64)],
    },
    'the same, flat': {
      op: 'Attention',
      opset: 23,
      inputs: [at(4, 128, 512), at(4, keys, 512), at(4, keys, 512)],
      attributes: { q_num_heads: 8, kv_num_heads: 8 },
    },
    MultiHeadAttention: {
      op: 'MultiHeadAttention',
      domain: 'com.microsoft',
      inputs: [at(4, 128, 512), at(4, keys, 512), at(4, keys, 512)],
      attributes: { num_heads: 8 },
    },
    'MultiHeadAttention with a past': {
      op: 'MultiHeadAttention',
      domain: 'com.microsoft',
      inputs: [
        at(4, 128, 512),
        at(4, 128, 512),
        at(4, 128, 512),
        null,
        null,
        null,
        ...[1, 2].map(() => at(4, 8, keys - 128, 64)),
      ],
      attributes: { num_heads: 8 },
    },
    GroupQueryAttention: {
      op: 'GroupQueryAttention',
      domain: 'com.microsoft',
      inputs: [
        ...[at(4, 128, 512), at(4, 128, 512), at(4, 128, 512)],
        ...[at(4, 8, keys - 128, 64), at(4, 8, keys - 128, 64)],
        ...[
          { shape: [4], dtype: DataType.int32 },
          { shape: [1], dtype: DataType.int32 },
        ],
      ],
      attributes: { num_heads: 8, kv_num_heads: 8 },
    },
  });
  for (const { keys, expected } of published) {
    test.each(Object.entries(forms(keys)))(`%s over ${keys} keys`, (_, given) => {
      expect(flops(given).matmul).toBe(expected);
      expect(flops(given).executed).toBe(expected);
    });

    test.each(Object.entries(forms(keys)))(`%s over ${keys} keys, causal`, (name, given) => {
      const attributes = { ...given.attributes, is_causal: 1, unidirectional: 1 };
      const { matmul, causal } = flops({ ...given, attributes });
      expect(matmul).toBe(expected);
      // Row i of 128 sees the cached keys and i + 1 of the new ones.
      const past = /past|Group/.test(name) ? keys - 128 : 0;
      const pairs = Array.from({ length: 128 }, (_, i) => past + i + 1).reduce((a, b) => a + b);
      expect(causal).toBe(4 * 8 * pairs * 64 * 4);
      if (name !== 'GroupQueryAttention') expect(flops(given).causal).toBe(expected);
    });
  }

  const primitive = (mask: 'none' | 'padding' | 'trilu' | 'positions') => {
    const masks = {
      none: [],
      padding: [node('Add', ['scores', 'pad'], 'masked')],
      trilu: [node('Trilu', ['pad'], 'triangle'), node('Add', ['scores', 'triangle'], 'masked')],
      positions: [
        node('LessOrEqual', ['keyAt', 'queryAt'], 'seen'),
        node('Where', ['seen', 'scores', 'low'], 'masked'),
      ],
    };
    const integers = ['keyAt', 'queryAt'].map((name, index) =>
      info(name, index ? [128, 1] : [128], DataType.int64),
    );
    return model({
      node: [
        node('MatMul', ['q', 'k'], 'scores'),
        ...masks[mask],
        node('Softmax', [mask === 'none' ? 'scores' : 'masked'], 'p'),
        node('MatMul', ['p', 'v'], 'y'),
      ],
      initializer: [],
      input: [
        ...[info('q', [4, 8, 128, 64]), info('k', [4, 8, 64, 128]), info('v', [4, 8, 128, 64])],
        ...[info('pad', [128, 128]), info('low', [1]), ...integers],
      ],
      output: [info('y', null)],
    });
  };
  test.each([
    ['none', 1],
    ['padding', 1],
    ['trilu', 129 / 256],
    ['positions', 129 / 256],
  ] as const)('primitive ops with mask %s need %d of the rectangle', (mask, share) => {
    const counted = countGraph(primitive(mask), {});
    expect(counted.flops.matmul).toBe(134_217_728);
    expect(counted.flops.causal).toBe(134_217_728 * share);
  });
});

test('ResNet-50’s first convolution is 118,013,952 multiply-adds', () => {
  const attributes = { strides: [2, 2], pads: [3, 3, 3, 3] };
  expect(flops({ op: 'Conv', inputs: [at(1, 3, 224, 224), at(64, 3, 7, 7)], attributes }).matmul).toBe(
    2 * 118_013_952,
  );
});

test('a grouped convolution multiplies what a nested loop over it would', () => {
  fc.assert(
    fc.property(small, small, small, small, small, small, (batch, group, perIn, perOut, kernel, stride) => {
      const size = kernel + 7;
      let macs = 0;
      for (let start = 0; start + kernel <= size; start += stride)
        macs += batch * group * perOut * perIn * kernel;
      const inputs = [at(batch, group * perIn, size), at(group * perOut, perIn, kernel)];
      expect(flops({ op: 'Conv', inputs, attributes: { group, strides: [stride] } }).matmul).toBe(2 * macs);
    }),
  );
});

test('a transposed convolution costs what the convolution back costs', () => {
  fc.assert(
    fc.property(small, small, small, small, (channels, outputs, kernel, steps) => {
      // Without overlap at the border each output position of the one is an input position of the other.
      const wide = (steps - 1) * 2 + kernel;
      const attributes = { strides: [2] };
      const there = flops({
        op: 'Conv',
        inputs: [at(2, outputs, wide), at(channels, outputs, kernel)],
        attributes,
      });
      const back = flops({
        op: 'ConvTranspose',
        inputs: [at(2, channels, steps), at(channels, outputs, kernel)],
        attributes,
      });
      expect(back.matmul).toBe(there.matmul);
    }),
  );
});

test('Einsum costs what the MatMul it spells costs', () => {
  fc.assert(
    fc.property(small, small, small, small, (b, i, j, k) => {
      const inputs = [at(b, i, j), at(b, j, k)];
      const { matmul } = flops({ op: 'MatMul', inputs });
      expect(matmul).toBe(2 * b * i * j * k);
      for (const equation of ['bij,bjk->bik', '...ij,...jk->...ik']) {
        expect(flops({ op: 'Einsum', inputs, attributes: { equation } })).toMatchObject({
          matmul,
          elementwise: 0,
        });
      }
    }),
  );
});

test('Einsum contracts from left to right, sums lone letters first, and knows outer products', () => {
  const einsum = (equation: string, ...inputs: { shape: number[] }[]) =>
    flops({ op: 'Einsum', inputs, attributes: { equation } });
  expect(einsum('ij,jk,kl->il', at(2, 3), at(3, 5), at(5, 7)).matmul).toBe(2 * (2 * 3 * 5 + 2 * 5 * 7));
  expect(einsum('ijm,jk->ik', at(2, 3, 4), at(3, 5))).toMatchObject({
    matmul: 2 * 2 * 3 * 5,
    elementwise: 2 * 3 * 4,
  });
  expect(einsum('i,j->ij', at(4), at(6))).toMatchObject({ matmul: 0, elementwise: 24 });
});

test.each([
  ['LSTM', 4],
  ['GRU', 3],
  ['RNN', 1],
])('%s multiplies input and state by the weights of each of its %d gates, each step', (op, gates) => {
  fc.assert(
    fc.property(
      small,
      small,
      small,
      small,
      fc.integer({ min: 1, max: 2 }),
      (steps, batch, width, hidden, directions) => {
        const inputs = [
          at(steps, batch, width),
          at(directions, gates * hidden, width),
          at(directions, gates * hidden, hidden),
        ];
        const macs = steps * batch * directions * gates * hidden * (width + hidden);
        expect(flops({ op, inputs, attributes: { hidden_size: hidden } }).matmul).toBe(2 * macs);
      },
    ),
  );
});

describe('quantised products count as the products they stand for', () => {
  const [m, k, n] = [5, 64, 48];
  const products = 2 * m * k * n;
  const byte = (...shape: number[]) => ({ shape, dtype: DataType.uint8 });
  const forms: OneNode[] = [
    { op: 'MatMulInteger', inputs: [byte(m, k), byte(k, n)] },
    { op: 'QLinearMatMul', inputs: [byte(m, k), at(), byte(), byte(k, n), at(), byte(), at(), byte()] },
    { op: 'QGemm', domain: 'com.microsoft', inputs: [byte(m, k), at(), byte(), byte(k, n), at(), byte()] },
    { op: 'DynamicQuantizeMatMul', domain: 'com.microsoft', inputs: [at(m, k), byte(k, n), at()] },
    { op: 'MatMulIntegerToFloat', domain: 'com.microsoft', inputs: [byte(m, k), byte(k, n), at(), at()] },
  ];
  test.each(forms)('$op', (given) => {
    const counted = flops(given);
    expect(counted.matmul).toBe(products);
    // Zero points: a sum over each row of A and a multiply-add for each output.
    expect(counted.executed).toBe(products + m * k + 2 * m * n);
  });

  const nBits = (accuracy: number): OneNode => ({
    op: 'MatMulNBits',
    domain: 'com.microsoft',
    inputs: [at(1, m, k), byte(n, k / 32, 16), at(n, k / 32)],
    attributes: { K: k, N: n, bits: 4, block_size: 32, accuracy_level: accuracy },
  });
  test('MatMulNBits dequantises its weights, or quantises its activations', () => {
    expect(flops(nBits(0))).toMatchObject({ matmul: products, executed: products + 2 * k * n });
    expect(flops(nBits(4))).toMatchObject({
      matmul: products,
      executed: products + 3 * m * k + 2 * m * n * (k / 32),
    });
  });
});

test('a mixture costs its chosen experts, packed or not', () => {
  const [tokens, hidden, inner, experts, k] = [6, 64, 32, 8, 2];
  const router = at(tokens, experts);
  const products = 2 * tokens * k * (2 * inner * hidden + hidden * inner);
  const moe: OneNode = {
    op: 'MoE',
    domain: 'com.microsoft',
    inputs: [at(2, 3, hidden), router, at(experts, 2 * inner, hidden), null, at(experts, hidden, inner)],
    attributes: { k, activation_type: 'swiglu' },
  };
  expect(flops(moe).matmul).toBe(products);
  const byte = (...shape: number[]) => ({ shape, dtype: DataType.uint8 });
  const fc1 = [byte(experts, 2 * inner, hidden / 2), at(experts, 2 * inner, 2), null];
  const quantised: OneNode = {
    ...moe,
    op: 'QMoE',
    inputs: [at(tokens, hidden), router, ...fc1, byte(experts, hidden, inner / 2), at(experts, hidden, 1)],
    attributes: { k, expert_weight_bits: 4 },
  };
  expect(flops(quantised).matmul).toBe(products);
});

test('arithmetic on shapes, views, choices and integers is no floating-point work', () => {
  const integer = (...shape: number[]) => ({ shape, dtype: DataType.int64 });
  expect(flops({ op: 'Add', inputs: [integer(4, 4), integer(4, 4)] }).elementwise).toBe(0);
  expect(flops({ op: 'Add', inputs: [at(4, 1), at(4)] }).elementwise).toBe(16);
  expect(count({ op: 'Reshape', inputs: [at(4, 4), ints('', [16])] }).bytes.activations).toBe(0);
  expect(count({ op: 'Shape', inputs: [at(4, 4)] }).bytes.activations).toBe(0);
});
