import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesOf, evaluate, flopsOf } from '../../core/cost.js';
import { lacksShared, sharedPath } from '../../shared-files.test-support.js';
import { buildGraph } from '../build/build-graph.js';
import { graphVariants } from '../build/graph-variant.js';
import { describeDecoder } from '../decoder-graph.js';
import { dtypes } from '../dtype.js';
import { readModel } from '../onnx/read-model.js';
import { loadRecipe } from '../recipe.js';
import { countDecoder, deriveCost } from './derive-cost.js';
import { describeDecoderFlops } from './describe-flops.js';
import { fitPoints, fitPolynomial, holds } from './fit-polynomial.js';

const stories = `${sharedPath('models/stories260K/onnx')}/`;
const steps = fc.record({
  batch: fc.integer({ min: 1, max: 40 }),
  newTokens: fc.integer({ min: 1, max: 3000 }),
  pastTokens: fc.integer({ min: 0, max: 9000 }),
});

test('a polynomial is found again exactly from its values', () => {
  const half = fc.integer({ min: -(2 ** 40), max: 2 ** 40 }).map((x) => x / 2);
  fc.assert(
    fc.property(fc.array(half, { minLength: 12, maxLength: 12 }), (coefficients) => {
      const polynomial = fitPoints.map((point, index) => ({
        coefficient: coefficients[index]!,
        batch: point.batch - fitPoints[0]!.batch,
        newTokens: point.newTokens - fitPoints[0]!.newTokens,
        pastTokens: point.pastTokens - fitPoints[0]!.pastTokens,
      }));
      const found = fitPolynomial(fitPoints.map((point) => evaluate(polynomial, point)));
      for (const term of polynomial) {
        const same = (other: typeof term) =>
          other.batch === term.batch &&
          other.newTokens === term.newTokens &&
          other.pastTokens === term.pastTokens;
        expect(found.find(same)?.coefficient ?? 0).toBe(term.coefficient || 0);
      }
    }),
  );
});

test('what is no polynomial is noticed', () => {
  const cubic = (n: number) => n ** 3;
  const polynomial = fitPolynomial(fitPoints.map(({ newTokens }) => cubic(newTokens)));
  expect(holds(polynomial, [cubic(9), cubic(1), cubic(6)])).toBe(false);
});

const every = graphVariants.flatMap((graphVariant) => dtypes.map((dtype) => ({ graphVariant, dtype })));

test.each(every)(
  'the polynomials give what counting node by node gives, at any shape ($graphVariant, $dtype)',
  async (of) => {
    const built = buildGraph(await loadRecipe('tiny'), { ...of, seed: 1, weights: false });
    const decoder = describeDecoder(built);
    const cost = deriveCost(built, decoder);
    fc.assert(
      fc.property(steps, (step) => {
        const { tally, warnings } = countDecoder(built, decoder, step);
        expect(flopsOf(cost, step)).toEqual(tally.flops);
        expect(bytesOf(cost, step)).toEqual(tally.bytes);
        expect(warnings).toEqual([]);
      }),
      { numRuns: 25 },
    );
  },
);

test('a head that runs on as many positions as asked costs as many', async () => {
  const recipe = await loadRecipe('tiny');
  const of = { dtype: 'fp32', graphVariant: 'contrib', seed: 1, weights: false } as const;
  const plain = buildGraph(recipe, of);
  const sliced = buildGraph(recipe, of);
  // The last positions of the final norm's output, [batch, kept, hidden], before the head reads them.
  const { node, input, initializer } = sliced.graph;
  const head = node!.findIndex(({ name }) => name === '/lm_head/Reshape_1');
  const normed = node![head]!.input![0]!;
  input!.push({ name: 'num_logits_to_keep', type: { tensorType: { elemType: 7, shape: { dim: [] } } } });
  const vector = (name: string, value: bigint) =>
    initializer!.push({
      name,
      dims: [1],
      dataType: 7,
      rawData: new Uint8Array(BigInt64Array.of(value).buffer),
    });
  vector('slice_end', 2n ** 62n);
  vector('slice_axis', 1n);
  vector('unsqueeze_axis', 0n);
  node!.splice(
    head,
    0,
    { opType: 'Neg', input: ['num_logits_to_keep'], output: ['negated'] },
    { opType: 'Unsqueeze', input: ['negated', 'unsqueeze_axis'], output: ['start'] },
    { opType: 'Slice', input: [normed, 'start', 'slice_end', 'slice_axis'], output: ['kept'] },
    { opType: 'Shape', input: ['kept'], output: ['kept_shape'] },
    { opType: 'Slice', input: ['kept_shape', 'unsqueeze_axis', 'slice_two'], output: ['kept_rows'] },
  );
  vector('slice_two', 2n);
  node!.find(({ name }) => name === '/lm_head/Reshape_1')!.input![0] = 'kept';
  node!.find(({ name }) => name === '/lm_head/Concat')!.input![0] = 'kept_rows';
  const decoder = describeDecoder(sliced);
  const [last, all] = (['last', 'all'] as const).map((logits) => deriveCost(sliced, decoder, { logits }));
  const whole = deriveCost(plain, describeDecoder(plain));
  fc.assert(
    fc.property(steps, (step) => {
      const head = 2 * step.batch * recipe.hiddenSize * recipe.vocabulary;
      expect(flopsOf(all!, step).matmul).toBe(flopsOf(whole, step).matmul);
      expect(flopsOf(last!, step).matmul).toBe(flopsOf(whole, step).matmul - (step.newTokens - 1) * head);
    }),
  );
});

describe.skipIf(lacksShared)('stories260K', () => {
  test.each(['model.onnx', 'model_quantized.onnx'])(
    '%s follows the closed form of its README',
    async (file) => {
      const model = await readModel(stories + file);
      const decoder = describeDecoder(model);
      const cost = deriveCost(model, decoder);
      expect(cost.parameters).toBe(260_032);
      // 5 layers, keys and values, 4 heads of 8, fp32.
      expect(cost.kvBytesPerToken).toBe(5 * 2 * 4 * 8 * 4);
      fc.assert(
        fc.property(steps, (step) => {
          const { batch: b, newTokens: n, pastTokens: p } = step;
          const flops = flopsOf(cost, step);
          expect(flops.matmul).toBe(2 * b * (n * 259_328 + 640 * n * (n + p)));
          // Row i of n needs p + i + 1 of the p + n columns.
          expect(flops.causal).toBe(2 * b * (n * 259_328 + 640 * (n * p + (n * (n + 1)) / 2)));
          // Concat copies the past behind which it writes; heads are then repeated from the whole cache.
          const { kvRead, kvWritten } = bytesOf(cost, step);
          expect(kvRead).toBe(b * (2 * p + n) * cost.kvBytesPerToken);
          expect(kvWritten).toBe(b * (p + n) * cost.kvBytesPerToken);
        }),
      );
    },
  );

  test('weights are read whole, but of the embedding table only the rows of the tokens', async () => {
    const model = await readModel(`${stories}model.onnx`);
    const cost = deriveCost(model, describeDecoder(model));
    const { weights } = bytesOf(cost, { batch: 2, newTokens: 3, pastTokens: 0 });
    const norms = 11 * 64;
    const products = 259_328;
    // Constants the graph computes with: eps, 2 and the ones of 11 norms, 5 scales and the mask's two;
    // 4 rotary frequencies; 2 ones by which each layer repeats keys and values.
    const constants = 11 + 11 + 5 + 2 + 4 + 5 * 2 * 2;
    expect(weights).toBe(4 * (norms + products + constants) + 2 * 3 * 64 * 4);
  });

  test('the report says what a pass costs, operator by operator', async () => {
    const model = await readModel(`${stories}model.onnx`);
    const decoder = describeDecoder(model);
    const counted = { id: 'stories260K', graph: model, decoder, cost: deriveCost(model, decoder) };
    const step = { batch: 1, newTokens: 16, pastTokens: 4 };
    const report = describeDecoderFlops(counted, step);
    expect(report).toMatchObject({ batch: 1, promptTokens: 16, pastTokens: 4, unknownOps: [], warnings: [] });
    expect(Object.keys(report.byOpType)[0]).toBe('MatMul');
    expect(report.byOpType.MatMul?.matmul).toBe(report.flops.matmul);
    expect(() => describeDecoderFlops(counted, { ...step, newTokens: 0 })).toThrow('cannot be counted');
  });
});

test('a cache in place is read over its past and written at the new positions only', async () => {
  const recipe = await loadRecipe('smollm2-135m');
  const built = buildGraph(recipe, { dtype: 'fp16', graphVariant: 'contrib', seed: 1, weights: false });
  const cost = deriveCost(built, describeDecoder(built));
  const perToken = recipe.layers * 2 * recipe.kvHeads * recipe.headDim * 2;
  expect(cost.kvBytesPerToken).toBe(perToken);
  const bytes = bytesOf(cost, { batch: 3, newTokens: 5, pastTokens: 70 });
  expect([bytes.kvRead, bytes.kvWritten]).toEqual([3 * 70 * perToken, 3 * 5 * perToken]);
});

test('a copied cache is written whole', async () => {
  const recipe = await loadRecipe('smollm2-135m');
  const built = buildGraph(recipe, { dtype: 'fp32', graphVariant: 'standard', seed: 1, weights: false });
  const cost = deriveCost(built, describeDecoder(built));
  const bytes = bytesOf(cost, { batch: 3, newTokens: 5, pastTokens: 70 });
  expect([bytes.kvRead, bytes.kvWritten]).toEqual([
    3 * 70 * cost.kvBytesPerToken,
    3 * 75 * cost.kvBytesPerToken,
  ]);
});

test('4-bit weights are read as stored, with their scales', async () => {
  const recipe = await loadRecipe('smollm2-135m');
  const built = buildGraph(recipe, { dtype: 'q4', graphVariant: 'contrib', seed: 1, weights: false });
  const { weights } = bytesOf(deriveCost(built, describeDecoder(built)), {
    batch: 1,
    newTokens: 1,
    pastTokens: 0,
  });
  const { hiddenSize: h, layers, intermediateSize, kvHeads, headDim, vocabulary } = recipe;
  const products =
    layers * (2 * h * h + 2 * h * kvHeads * headDim + 3 * h * intermediateSize) + h * vocabulary;
  const norms = (2 * layers + 1) * h;
  // Each layer looks up a row of cosines and one of sines, each of half a head.
  expect(weights).toBe(products / 2 + (products / 32) * 4 + 4 * (norms + h + layers * headDim));
});
