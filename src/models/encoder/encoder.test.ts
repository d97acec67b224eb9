import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { bytesOf, flopsOf } from '../../core/cost.js';
import { buildEncoder, buildEncoderGraph, builtEncoderDirectory } from '../build/encoder/build.js';
import { countEncoder, deriveEncoderCost } from '../cost/derive-cost.js';
import { dtypes } from '../dtype.js';
import { decodeModel, encodeModel, type ModelProto } from '../onnx/proto.js';
import { loadRecipe } from '../recipe.js';
import { resolveModel } from '../resolve.js';
import { describeEncoder } from './graph.js';
import { type EncoderHead, encoderParameters, listEncoderRecipes, loadEncoderRecipe } from './recipe.js';
import { resolveEncoder } from './resolve.js';

const embedding: EncoderHead = { kind: 'embedding' };
const labels = (count: number): EncoderHead => ({ kind: 'classification', labels: count });
const scratch = await mkdtemp(join(tmpdir(), 'tokenwork-encoder-'));
afterAll(() => rm(scratch, { recursive: true }));

function costOf(
  recipe: Awaited<ReturnType<typeof loadEncoderRecipe>>,
  head: EncoderHead,
  dtype = 'fp32' as (typeof dtypes)[number],
) {
  const graph = buildEncoderGraph(recipe, { dtype, head, weights: false });
  return deriveEncoderCost(graph, describeEncoder(graph));
}

describe('the shapes of encoders', () => {
  // The published checkpoints have a pooler, and no classifier of one label.
  it.each([
    ['minilm-l6', 22_713_216],
    ['bert-base', 109_482_240],
  ])('%s with its pooler has %i parameters', async (id, published) => {
    const recipe = await loadEncoderRecipe(id);
    const classifier = 7 * recipe.hiddenSize + 7;
    expect(encoderParameters(recipe, labels(7))).toBe(published + classifier);
    expect(costOf(recipe, labels(7)).parameters).toBe(published + classifier);
    expect(costOf(recipe, embedding).parameters).toBe(encoderParameters(recipe, embedding));
  });

  it('are listed apart from the decoders', async () => {
    expect((await listEncoderRecipes()).map(({ id }) => id)).toEqual([
      'tiny-encoder',
      'minilm-l6',
      'bert-base',
    ]);
    await expect(loadEncoderRecipe('minilm')).rejects.toMatchObject({
      code: 'unknown-model',
      hint: expect.stringContaining('"minilm-l6"'),
    });
    await expect(loadEncoderRecipe('tiny')).rejects.toMatchObject({
      message: expect.stringMatching(/no encoder/),
    });
    await expect(loadRecipe('bert-base')).rejects.toMatchObject({
      message: expect.stringMatching(/no decoder/),
    });
  });
});

describe('what an encoder costs', () => {
  it('is what calflops counts for the same shape: RoBERTa-base with its pooler at 128 tokens', async () => {
    const recipe = await loadEncoderRecipe('bert-base');
    const step = { batch: 1, newTokens: 128, pastTokens: 0 };
    const pooler = 768 * 768;
    expect(flopsOf(costOf(recipe, embedding), step).matmul).toBe(2 * (11_174_215_680 - pooler));
    expect(flopsOf(costOf(recipe, labels(3)), step).matmul).toBe(2 * (11_174_215_680 + 3 * 768));
  });

  it.each(dtypes)('follows its closed form at any shape, in %s', async (dtype) => {
    const recipe = await loadEncoderRecipe('minilm-l6');
    const cost = costOf(recipe, embedding, dtype);
    const { hiddenSize: h, intermediateSize, layers } = recipe;
    const shapes = fc.record({
      batch: fc.integer({ min: 1, max: 64 }),
      newTokens: fc.integer({ min: 1, max: 512 }),
      pastTokens: fc.constant(0),
    });
    fc.assert(
      fc.property(shapes, (step) => {
        const { batch, newTokens: t } = step;
        const macs = batch * layers * (t * (4 * h * h + 2 * h * intermediateSize) + 2 * t * t * h);
        const flops = flopsOf(cost, step);
        // No position is hidden from another, so there is no causal half.
        expect([flops.matmul, flops.causal]).toEqual([2 * macs, 2 * macs]);
        expect(bytesOf(cost, step)).toMatchObject({ kvRead: 0, kvWritten: 0 });
      }),
    );
    expect([cost.kvBytesPerToken, cost.mixture]).toEqual([0, null]);
  });

  it('is what counting node by node gives', async () => {
    const graph = buildEncoderGraph(await loadEncoderRecipe('tiny-encoder'), { dtype: 'q4', weights: false });
    const encoder = describeEncoder(graph);
    const cost = deriveEncoderCost(graph, encoder);
    for (const step of [
      { batch: 1, newTokens: 1, pastTokens: 0 },
      { batch: 5, newTokens: 77, pastTokens: 0 },
    ]) {
      const { tally, warnings } = countEncoder(graph, encoder, step);
      expect(warnings).toEqual([]);
      expect(flopsOf(cost, step)).toEqual(tally.flops);
      expect(bytesOf(cost, step)).toEqual(tally.bytes);
    }
  });
});

describe('an encoder’s folder', () => {
  const build = async (head: EncoderHead = embedding) => {
    const recipe = await loadEncoderRecipe('tiny-encoder');
    return buildEncoder(recipe, { dtype: 'fp32', head, cacheDirectory: scratch });
  };
  const options = { head: embedding, cacheDirectory: scratch };

  it('is built once for each head, with the same bytes for the same seed', async () => {
    const recipe = await loadEncoderRecipe('tiny-encoder');
    expect(await builtEncoderDirectory(recipe, { dtype: 'int8', cacheDirectory: scratch })).toBeNull();
    const [folder, classifier] = [await build(), await build(labels(4))];
    expect(folder).not.toBe(classifier);
    expect(await build()).toBe(folder);
    expect(await builtEncoderDirectory(recipe, { dtype: 'fp32', cacheDirectory: scratch })).toBe(folder);
    const elsewhere = await buildEncoder(recipe, { dtype: 'fp32', cacheDirectory: join(scratch, 'again') });
    const bytes = (directory: string) => readFile(join(directory, 'onnx/model.onnx'));
    // Not toEqual: it walks millions of bytes one by one.
    expect((await bytes(elsewhere)).equals(await bytes(folder))).toBe(true);
  });

  it('says what it can do, built or real', async () => {
    const expected = { contextLength: 512, vocabulary: 4096, dtype: 'fp32', labels: [] };
    expect(await resolveEncoder('tiny-encoder', { ...options, dtype: 'fp32' })).toMatchObject({
      ...expected,
      id: 'tiny-encoder',
      source: 'synthesised',
      encoder: { output: { kind: 'positions', size: 128, dtype: 'fp32' } },
    });
    expect(await resolveEncoder(await build(), options)).toMatchObject({ ...expected, source: 'folder' });
    const classifier = await resolveEncoder(await build(labels(2)), { ...options, head: labels(2) });
    expect(classifier).toMatchObject({
      labels: ['LABEL_0', 'LABEL_1'],
      encoder: { output: { kind: 'classification', size: 2 } },
    });
  });

  it('of RoBERTa has two positions fewer than its table has rows', async () => {
    const directory = join(scratch, 'roberta');
    await cp(await build(), directory, { recursive: true });
    const config = JSON.parse(await readFile(join(directory, 'config.json'), 'utf8'));
    const roberta = { ...config, model_type: 'roberta', max_position_embeddings: 514 };
    await writeFile(join(directory, 'config.json'), JSON.stringify(roberta));
    expect((await resolveEncoder(directory, options)).contextLength).toBe(512);
  });

  it('is refused where it is not what is wanted', async () => {
    const refused = (spec: string, head: EncoderHead) => resolveEncoder(spec, { ...options, head });
    await expect(refused(await build(), labels(2))).rejects.toMatchObject({ code: 'encoder-head' });
    await expect(refused(await build(labels(2)), embedding)).rejects.toMatchObject({ code: 'encoder-head' });
    await expect(refused('tiny', embedding)).rejects.toMatchObject({ code: 'not-an-encoder' });
    await expect(refused('tiny-encodr', embedding)).rejects.toMatchObject({
      code: 'unknown-model',
      hint: expect.stringContaining('"tiny-encoder"'),
    });
    await expect(resolveModel('tiny-encoder')).rejects.toMatchObject({ code: 'not-a-decoder' });
    await expect(resolveModel(await build(), { cacheDirectory: scratch })).rejects.toMatchObject({
      code: 'not-a-decoder',
    });
  });
});

describe('describing a graph as an encoder', () => {
  /** The tiny encoder, changed. */
  async function variant(change: (model: ModelProto) => void) {
    const recipe = await loadEncoderRecipe('tiny-encoder');
    const model = decodeModel(encodeModel(buildEncoderGraph(recipe, { dtype: 'fp32' })));
    change(model);
    return describeEncoder(model);
  }

  it('takes exports without segments, and vectors that the graph has pooled', async () => {
    const encoder = await variant(({ graph }) => {
      graph.input = graph.input!.filter(({ name }) => name !== 'token_type_ids');
      for (const node of graph.node!)
        node.input = node.input!.map((name) => (name === 'token_type_ids' ? 'input_ids' : name));
      const axis = { name: 'axis_1', dims: [1], dataType: 7, rawData: new Uint8Array(8).fill(1, 0, 1) };
      graph.initializer!.push(axis);
      const keepdims = { name: 'keepdims', type: 2, i: 0 };
      graph.node!.push({
        opType: 'ReduceMean',
        input: ['last_hidden_state', 'axis_1'],
        output: ['sentence_embedding'],
        attribute: [keepdims],
      });
      graph.output!.push({ name: 'sentence_embedding', type: { tensorType: { elemType: 1 } } });
    });
    expect(encoder.tokenTypeIds).toBeNull();
    expect(encoder.output).toEqual({
      name: 'sentence_embedding',
      dtype: 'fp32',
      kind: 'embedding',
      size: 128,
    });
  });

  it.each([
    ['no token ids', ({ graph }: ModelProto) => graph.input!.splice(0, 1), 'input_ids'],
    [
      'inputs that no text has',
      ({ graph }: ModelProto) =>
        graph.input!.push({ name: 'pixel_values', type: { tensorType: { elemType: 1 } } }),
      'pixel_values',
    ],
    ['no output it knows', ({ graph }: ModelProto) => graph.output!.splice(0, 1), 'last_hidden_state'],
  ])('refuses a graph with %s', async (_, change, named) => {
    await expect(variant(change)).rejects.toMatchObject({
      code: 'not-an-encoder',
      message: expect.stringContaining(named),
    });
  });
});
