import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env, pipeline } from '@huggingface/transformers';
import { afterAll, describe, expect, it } from 'vitest';
import { buildEncoder } from '../../models/build/encoder/build.js';
import { referenceHidden, referenceLabels } from '../../models/build/encoder/reference.test-support.js';
import { type Dtype, dtypes, onnxFileName } from '../../models/dtype.js';
import { describeEncoder } from '../../models/encoder/graph.js';
import { type EncoderHead, loadEncoderRecipe } from '../../models/encoder/recipe.js';
import { decodeModel, encodeModel, type ModelProto } from '../../models/onnx/proto.js';
import { loadTokenizer } from '../../models/tokenizer.js';
import type { Encoder } from '../engine.js';
import { encoderPass } from '../text-batch.js';
import { requestTermination } from './open-decoder.js';
import { openEncoder } from './open-encoder.js';

env.allowRemoteModels = false;
const recipe = await loadEncoderRecipe('tiny-encoder');
const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-encoders-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const embedding: EncoderHead = { kind: 'embedding' };
const threeLabels: EncoderHead = { kind: 'classification', labels: 3 };
const backends = ['native', 'node'] as const;

async function build(dtype: Dtype, head: EncoderHead) {
  const directory = await buildEncoder(recipe, { dtype, head, cacheDirectory: scratch });
  return { directory, onnxPath: join(directory, 'onnx', onnxFileName(dtype)) };
}

function modelAt(onnxPath: string) {
  const { contextLength, vocabulary } = recipe;
  return {
    onnxPath,
    encoder: describeEncoder(decodeModel(readFileSync(onnxPath))),
    contextLength,
    vocabulary,
  };
}

async function withEncoder<T>(
  onnxPath: string,
  backend: (typeof backends)[number],
  use: (encoder: Encoder) => Promise<T>,
): Promise<T> {
  const encoder = await openEncoder(modelAt(onnxPath), { threads: 1, backend });
  try {
    return await use(encoder);
  } finally {
    encoder.close();
  }
}

const text = (length: number, salt: number) =>
  Array.from({ length }, (_, i) => 3 + (((i + salt + 1) * 131) % (recipe.vocabulary - 3)));
const texts = [text(9, 0), text(1, 50), text(23, 80)];

function meanOfLengthOne(hidden: number[][]): number[] {
  const mean = hidden[0]!.map((_, i) => hidden.reduce((sum, x) => sum + x[i]!, 0) / hidden.length);
  const norm = Math.hypot(...mean);
  return mean.map((value) => value / norm);
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < actual.length; i++)
    expect(Math.abs(actual[i]! - expected[i]!)).toBeLessThanOrEqual(tolerance);
}

describe.each(backends)('an encoder (%s)', (backend) => {
  it.each(['fp32', 'int8', 'q4'] as const)('embeds as an independent BERT does, in %s', async (dtype) => {
    const { onnxPath } = await build(dtype, embedding);
    const proto = decodeModel(readFileSync(onnxPath));
    // int8 products quantise the activations, too.
    const tolerance = dtype === 'fp32' ? 1e-5 : 2e-2;
    await withEncoder(onnxPath, backend, async (encoder) => {
      expect(encoder).toMatchObject({ head: 'embedding', size: 128, vocabulary: 4096, contextLength: 512 });
      const vectors = await encoder.embed(texts);
      for (const [row, ids] of texts.entries()) {
        const expected = meanOfLengthOne(referenceHidden(proto, recipe, ids));
        expectClose(vectors.subarray(row * 128, (row + 1) * 128), expected, tolerance);
      }
    });
  });

  it('classifies as an independent BERT does', async () => {
    const { onnxPath } = await build('fp32', threeLabels);
    const proto = decodeModel(readFileSync(onnxPath));
    await withEncoder(onnxPath, backend, async (encoder) => {
      expect(encoder).toMatchObject({ head: 'classification', size: 3 });
      const logits = await encoder.classify(texts);
      const expected = texts.flatMap((ids) => referenceLabels(proto, recipe, ids));
      expectClose(logits, expected, 1e-4);
    });
  });

  it.each(dtypes)('gives a text the same result alone and beside longer ones, in %s', async (dtype) => {
    const { onnxPath } = await build(dtype, embedding);
    const tolerance = dtype === 'fp16' ? 5e-3 : dtype === 'fp32' ? 1e-5 : 2e-2;
    await withEncoder(onnxPath, backend, async (encoder) => {
      const together = await encoder.embed(texts);
      for (const [row, ids] of texts.entries())
        expectClose(await encoder.embed([ids]), together.subarray(row * 128, (row + 1) * 128), tolerance);
    });
  });

  it('agrees with transformers.js on the very folder', async () => {
    const { directory, onnxPath } = await build('fp32', embedding);
    const tokenizer = await loadTokenizer(directory);
    const words = ['Hello world, how much work is a token?', '안녕하세요 🎉'];
    const rows = words.map((word) => tokenizer.encode(word));
    for (const row of rows) expect([row[0], row.at(-1)]).toEqual([recipe.clsTokenId, recipe.sepTokenId]);
    const extract = await pipeline('feature-extraction', directory, { dtype: 'fp32' });
    const expected = await extract(words, { pooling: 'mean', normalize: true });
    await extract.dispose();
    await withEncoder(onnxPath, backend, async (encoder) => {
      expectClose(await encoder.embed(rows), expected.data as Float32Array, 1e-5);
    });
  });

  it('takes 32-bit ids, no segments, half-precision outputs and vectors pooled by the graph', async () => {
    const { onnxPath } = await build('fp32', embedding);
    const model = decodeModel(readFileSync(onnxPath));
    changeEdges(model);
    const changed = join(scratch, `edges-${backend}.onnx`);
    writeFileSync(changed, encodeModel(model));
    const rows = texts.map((ids) => ids.slice(0, 1));
    const expected = await withEncoder(onnxPath, backend, (encoder) => encoder.embed(rows));
    // Of one position, the graph's mean over positions is that position.
    const vectors = await withEncoder(changed, backend, (encoder) => encoder.embed(rows));
    expectClose(vectors, expected, 1e-3);
  });

  it('refuses what it cannot read, saying so, and goes on', async () => {
    const { onnxPath } = await build('fp32', embedding);
    await withEncoder(onnxPath, backend, async (encoder) => {
      const refused = (rows: number[][]) => expect(encoder.embed(rows)).rejects;
      await refused([]).toMatchObject({ code: 'invalid-step' });
      await refused([[5], []]).toMatchObject({ code: 'invalid-step' });
      await refused([[5, 4096]]).toMatchObject({ code: 'token-out-of-vocabulary' });
      await refused([[-1]]).toMatchObject({ code: 'token-out-of-vocabulary' });
      await refused([text(513, 0)]).toMatchObject({ code: 'context-exceeded' });
      await expect(encoder.classify([[5]])).rejects.toMatchObject({ code: 'encoder-head' });
      expect(await encoder.embed([text(512, 0)])).toHaveLength(128);
      encoder.close();
      await expect(encoder.embed([[5]])).rejects.toThrow(/closed/);
    });
  });
});

/** Ids of 32 bits, segments left out, and a pooled vector in half precision. */
function changeEdges({ graph }: ModelProto): void {
  const [int32, fp16] = [6, 10];
  const cast = (input: string, output: string, to: number) => ({
    opType: 'Cast',
    input: [input],
    output: [output],
    attribute: [{ name: 'to', type: 2, i: to }],
  });
  graph.input = graph.input!.filter(({ name }) => name !== 'token_type_ids');
  for (const info of graph.input) info.type!.tensorType!.elemType = int32;
  for (const node of graph.node!)
    node.input = node.input!.map((name) => (inputs.has(name) ? `${name}_64` : name));
  graph.node!.unshift(cast('input_ids', 'input_ids_64', 7), cast('attention_mask', 'attention_mask_64', 7), {
    opType: 'Sub',
    input: ['input_ids_64', 'input_ids_64'],
    output: ['token_type_ids_64'],
  });
  graph.initializer!.push({
    name: 'axis_1',
    dims: [1],
    dataType: 7,
    rawData: new Uint8Array(BigInt64Array.of(1n).buffer),
  });
  graph.node!.push(
    {
      opType: 'ReduceMean',
      input: ['last_hidden_state', 'axis_1'],
      output: ['wide'],
      attribute: [{ name: 'keepdims', type: 2, i: 0 }],
    },
    cast('wide', 'sentence_embedding', fp16),
  );
  const dims = [{ dimParam: 'batch_size' }, { dimValue: 128 }];
  graph.output = [
    { name: 'sentence_embedding', type: { tensorType: { elemType: fp16, shape: { dim: dims } } } },
  ];
}
const inputs = new Set(['input_ids', 'attention_mask', 'token_type_ids']);

describe('a native encoder', () => {
  it('can be stopped from another thread, and shares its session', async () => {
    const { onnxPath } = await build('fp32', embedding);
    await withEncoder(onnxPath, 'native', async (encoder) => {
      const expected = await encoder.embed(texts);
      // What came too late for one pass does not stop the next.
      requestTermination(encoder.terminationHandle!);
      expect(await encoder.embed(texts)).toEqual(expected);
      const sharedHandle = encoder.sharedHandle!;
      const other = await openEncoder(modelAt(onnxPath), { threads: 1, backend: 'native', sharedHandle });
      expect(other.record).toMatchObject({ backend: 'native', sharedSession: true, device: 'cpu' });
      expect(await other.embed(texts)).toEqual(expected);
      other.close();
      expect(await encoder.embed(texts)).toEqual(expected);
    });
  });
});

it('a pass is as long as its longest text', () => {
  expect(encoderPass(texts)).toEqual({ batch: 3, newTokens: 23, pastTokens: 0 });
});
