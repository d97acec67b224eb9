/** Counts of published models against published figures and closed forms. */
import { expect, test } from 'vitest';
import { flopsOf } from '../../core/cost.js';
import { buildGraph } from '../build/build-graph.js';
import { graphVariants } from '../build/graph-variant.js';
import { describeDecoder } from '../decoder-graph.js';
import { dtypes } from '../dtype.js';
import type { NodeProto, TensorProto } from '../onnx/proto.js';
import { loadRecipe, type Recipe } from '../recipe.js';
import { countGraph } from './count-graph.js';
import { countDecoder, deriveCost } from './derive-cost.js';
import { countParameters } from './parameters.js';
import { info, ints, model, node, weight } from './test-graph.test-support.js';

type Options = Partial<Parameters<typeof buildGraph>[1]>;

function graphOf(recipe: Recipe, options: Options = {}) {
  const built = buildGraph(recipe, {
    dtype: 'fp32',
    graphVariant: 'contrib',
    seed: 1,
    ...options,
    weights: false,
  });
  return { built, decoder: describeDecoder(built) };
}

function costOf(recipe: Recipe, options: Options = {}) {
  const { built, decoder } = graphOf(recipe, options);
  return deriveCost(built, decoder, { tiedEmbeddings: recipe.tiedEmbeddings, logits: 'all' });
}

const prompt = (newTokens: number) => ({ batch: 1, newTokens, pastTokens: 0 });

const gpt2 = await loadRecipe('gpt2-124m');
const llama2 = await loadRecipe('llama-2-7b');

const every = graphVariants.flatMap((graphVariant) => dtypes.map((dtype) => ({ graphVariant, dtype })));

test.each(every)(
  'GPT-2 124M at 1024 tokens costs what nanoGPT computes ($graphVariant, $dtype)',
  (options) => {
    const cost = costOf(gpt2, options);
    expect(flopsOf(cost, prompt(1024)).matmul).toBe(291_648_307_200);
    expect(cost.parameters).toBe(124_439_808);
  },
);

test.each(graphVariants)(
  'GPT-2 124M splits into blocks and head, and a block into its products (%s)',
  (graphVariant) => {
    const { built, decoder } = graphOf(gpt2, { graphVariant });
    const step = prompt(1024);
    const whole = countDecoder(built, decoder, step).tally;
    // Products with weights are MatMul nodes, apart from the head's Gemm; the rest is attention, whose own
    // products are MatMul nodes too in the primitive graph variant.
    const head = whole.byOpType.get('Gemm')!.matmul;
    expect(head).toBe(79_047_426_048);
    expect(whole.flops.matmul - head).toBe(212_600_881_152);
    const [scores, reduce] = [1_610_612_736, 1_610_612_736];
    const [qkv, projection, feedForward] = [3_623_878_656, 1_207_959_552, 2 * 4_831_838_208];
    const attention = {
      contrib: 'com.microsoft.GroupQueryAttention',
      standard: 'Attention',
      primitive: 'MatMul',
    };
    const own = graphVariant === 'primitive' ? qkv + projection + feedForward : 0;
    expect(whole.byOpType.get(attention[graphVariant])!.matmul).toBe(12 * (scores + reduce + own));
    if (graphVariant === 'primitive') return;
    expect(whole.byOpType.get('MatMul')!.matmul).toBe(12 * (qkv + projection + feedForward));
  },
);

test.each([
  ['medium', 1024, 24, 16, 826_951_073_792, 354_823_168],
  ['large', 1280, 36, 20, 1_774_570_700_800, 774_030_080],
  ['XL', 1600, 48, 25, 3_506_703_564_800, 1_557_611_200],
])('GPT-2 %s', (_, hiddenSize, layers, heads, flops, parameters) => {
  const shape = { hiddenSize, layers, heads, kvHeads: heads, intermediateSize: 4 * hiddenSize };
  const cost = costOf({ ...gpt2, ...shape });
  expect(flopsOf(cost, prompt(1024)).matmul).toBe(flops);
  expect(cost.parameters).toBe(parameters);
});

test.each(every)('Llama-2-7B ($graphVariant, $dtype)', (options) => {
  const cost = costOf(llama2, options);
  expect(flopsOf(cost, prompt(128)).matmul / 2).toBe(850_000_871_424);
  // One token at a context of 4096, itself included.
  expect(flopsOf(cost, { batch: 1, newTokens: 1, pastTokens: 4095 }).matmul / 2).toBe(7_680_819_200);
  expect(cost.parameters).toBe(6_738_415_616);
  if (options.dtype === 'fp16') expect(cost.kvBytesPerToken).toBe(524_288);
});

test('Llama-3-8B', async () => {
  const cost = costOf(await loadRecipe('llama-3-8b'));
  expect(cost.parameters).toBe(8_030_261_248);
  expect(flopsOf(cost, prompt(1024)).matmul / 2e9).toBeCloseTo(7959.65, 2);
});

test('logits on demand save the head of all positions but the last', async () => {
  const recipe = await loadRecipe('llama-3-8b');
  const { built, decoder } = graphOf(recipe);
  const step = { batch: 4, newTokens: 512, pastTokens: 0 };
  const asked = flopsOf(deriveCost(built, decoder), step).matmul;
  const head = 2 * recipe.vocabulary * recipe.hiddenSize;
  expect(asked).toBe(flopsOf(costOf(recipe), step).matmul - 4 * 511 * head);
  expect(asked).toBe(countDecoder(built, decoder, step).tally.flops.matmul);
  const { logits: _, ...whole } = recipe;
  expect(flopsOf(costOf(recipe), step)).toMatchObject({
    matmul: flopsOf(costOf(whole), step).matmul,
    causal: flopsOf(costOf(whole), step).causal,
  });
});

test('TinyLlama-1.1B', async () => {
  const cost = costOf(await loadRecipe('tinyllama-1.1b'));
  expect(flopsOf(cost, prompt(128)).matmul / 2).toBe(133_882_183_680);
  expect(cost.parameters).toBe(1_100_048_384);
});

test('a mixture costs its router and the chosen experts, and reads the experts it touches', async () => {
  const recipe = await loadRecipe('olmoe-1b-7b');
  const cost = costOf(recipe);
  const { hiddenSize: h, layers, heads, headDim, vocabulary, mixture } = recipe;
  const perToken =
    layers *
    (4 * h * heads * headDim + h * mixture!.experts + mixture!.expertsPerToken * 3 * h * mixture!.expertSize);
  expect(flopsOf(cost, prompt(1)).matmul).toBe(
    2 * (perToken + vocabulary * h + layers * 2 * heads * headDim),
  );
  expect(cost.mixture).toEqual({
    layers,
    experts: 64,
    expertsPerToken: 8,
    bytesPerExpert: 4 * 3 * h * mixture!.expertSize,
  });
});

/** BERT's encoder in primitive ops, as exporters write it. */
function encoder(shape: {
  layers: number;
  hidden: number;
  heads: number;
  vocabulary: number;
  positions: number;
}) {
  const { layers, hidden, heads } = shape;
  const nodes: NodeProto[] = [];
  const weights: TensorProto[] = [];
  const add = (op: string, inputs: string[], output: string, attributes = {}) => {
    nodes.push(node(op, inputs, output, { attributes }));
    return output;
  };
  const tensor = (name: string, dims: number[]) => {
    weights.push(weight(name, dims));
    return name;
  };
  const linear = (name: string, from: string, width: number, to: number) =>
    add(
      'Add',
      [add('MatMul', [from, tensor(`${name}.w`, [width, to])], `${name}.p`), tensor(`${name}.b`, [to])],
      name,
    );
  const norm = (name: string, from: string) =>
    add('LayerNormalization', [from, tensor(`${name}.w`, [hidden]), tensor(`${name}.b`, [hidden])], name);
  const gather = (name: string, rows: number, indices: string) =>
    add('Gather', [tensor(`${name}.t`, [rows, hidden]), indices], name);
  weights.push(
    ints('split', [0, 0, heads, hidden / heads]),
    ints('join', [0, 0, hidden]),
    ints('first', [0], true),
  );
  weights.push(ints('axes', [1, 2]));
  const words = gather('words', shape.vocabulary, 'input_ids');
  const places = gather('places', shape.positions, 'position_ids');
  let x = norm('n', add('Add', [add('Add', [words, gather('types', 1, 'type_ids')], 'e0'), places], 'e1'));
  const mask = add('Unsqueeze', ['mask', 'axes'], 'mask4');
  for (let layer = 0; layer < layers; layer++) {
    const l = (name: string) => `${layer}.${name}`;
    const perHead = (part: string, perm: number[]) =>
      add(
        'Transpose',
        [add('Reshape', [linear(l(part), x, hidden, hidden), 'split'], l(`${part}r`))],
        l(`${part}t`),
        { perm },
      );
    const scores = add('MatMul', [perHead('q', [0, 2, 1, 3]), perHead('k', [0, 2, 3, 1])], l('scores'));
    const weighed = add('Softmax', [add('Add', [scores, mask], l('masked'))], l('softmax'), { axis: -1 });
    const context = add('MatMul', [weighed, perHead('v', [0, 2, 1, 3])], l('context'));
    const joined = add(
      'Reshape',
      [add('Transpose', [context], l('ct'), { perm: [0, 2, 1, 3] }), 'join'],
      l('cj'),
    );
    x = norm(l('n1'), add('Add', [linear(l('o'), joined, hidden, hidden), x], l('r1')));
    const inner = add('Gelu', [linear(l('up'), x, hidden, 4 * hidden)], l('gelu'));
    x = norm(l('n2'), add('Add', [linear(l('down'), inner, 4 * hidden, hidden), x], l('r2')));
  }
  const pooled = linear('pooler', add('Gather', [x, 'first'], 'cls', { axis: 1 }), hidden, hidden);
  add('Tanh', [pooled], 'y');
  const ids = ['input_ids', 'position_ids', 'type_ids'].map((name) => info(name, ['b', 't'], 7));
  return model(
    {
      node: nodes,
      initializer: weights,
      input: [...ids, info('mask', ['b', 't'])],
      output: [info('y', null)],
    },
    20,
  );
}

test('RoBERTa-base with its pooler, at 128 tokens, costs what calflops counts', () => {
  const roberta = encoder({ layers: 12, hidden: 768, heads: 12, vocabulary: 50_265, positions: 514 });
  const ids = [1, 128];
  const count = countGraph(roberta, { input_ids: ids, position_ids: ids, type_ids: ids, mask: ids });
  expect(count.flops.matmul / 2).toBe(11_174_215_680);
  // Nothing in it is causal.
  expect(count.flops.causal).toBe(count.flops.matmul);
  expect(count.outputShapes).toEqual({ y: [1, 768] });
  expect(count.warnings).toEqual([]);
  // RobertaModel of transformers with pooling: 124,645,632.
  expect(countParameters(roberta)).toBe(124_645_632);
});

test('ResNet-50 costs 4,089,184,256 multiply-adds and has 25,557,032 parameters', () => {
  const nodes: NodeProto[] = [];
  const weights: TensorProto[] = [];
  const convolve = (
    name: string,
    from: string,
    [inputs, outputs]: [number, number],
    k: number,
    stride: number,
  ) => {
    const pad = k >> 1;
    weights.push(weight(`${name}.w`, [outputs, inputs, k, k]));
    nodes.push(
      node('Conv', [from, `${name}.w`], `${name}.c`, {
        attributes: { strides: [stride, stride], pads: [pad, pad, pad, pad], kernel_shape: [k, k] },
      }),
    );
    const statistics = ['s', 'b', 'm', 'v'].map((part) => `${name}.${part}`);
    for (const part of statistics) weights.push(weight(part, [outputs]));
    nodes.push(node('BatchNormalization', [`${name}.c`, ...statistics], name));
    return name;
  };
  const relu = (from: string) => {
    nodes.push(node('Relu', [from], `${from}.relu`));
    return `${from}.relu`;
  };
  const pooling = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] };
  nodes.push(
    node('MaxPool', [relu(convolve('stem', 'image', [3, 64], 7, 2))], 'pool', { attributes: pooling }),
  );
  let [x, channels] = ['pool', 64];
  for (const [stage, blocks] of [3, 4, 6, 3].entries()) {
    const width = 64 << stage;
    for (let block = 0; block < blocks; block++) {
      const name = `${stage}.${block}`;
      const stride = block === 0 && stage > 0 ? 2 : 1;
      const a = relu(convolve(`${name}.a`, x, [channels, width], 1, 1));
      const b = relu(convolve(`${name}.b`, a, [width, width], 3, stride));
      const c = convolve(`${name}.c`, b, [width, 4 * width], 1, 1);
      const skip = block === 0 ? convolve(`${name}.d`, x, [channels, 4 * width], 1, stride) : x;
      nodes.push(node('Add', [c, skip], `${name}.sum`));
      x = relu(`${name}.sum`);
      channels = 4 * width;
    }
  }
  weights.push(weight('fc.w', [1000, 2048]), weight('fc.b', [1000]));
  nodes.push(node('GlobalAveragePool', [x], 'mean'), node('Flatten', ['mean'], 'flat'));
  nodes.push(node('Gemm', ['flat', 'fc.w', 'fc.b'], 'y', { attributes: { transB: 1 } }));
  const resnet = model({
    node: nodes,
    initializer: weights,
    input: [info('image', ['n', 3, 224, 224])],
    output: [info('y', null)],
  });
  const count = countGraph(resnet, { image: [1, 3, 224, 224] });
  expect(count.flops.matmul / 2).toBe(4_089_184_256);
  expect(count.outputShapes).toEqual({ y: [1, 1000] });
  expect(countParameters(resnet)).toBe(25_557_032);
});
