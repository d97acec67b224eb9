import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildEncoder } from '../../models/build/encoder/build.js';
import { openEncoderFolder } from '../../models/encoder/folder.js';
import { loadEncoderRecipe } from '../../models/encoder/recipe.js';
import { writeEncoderGguf } from '../../models/gguf/encoder-file.test-support.js';
import { loadTokenizer } from '../../models/tokenizer.js';
import type { Encoder } from '../engine.js';
import { openEncoder as openOnnxEncoder } from '../onnx/open-encoder.js';
import { LlamaEncoder } from './encoder.js';
import { findLlama } from './packages.js';
import { raiseFlag } from './termination.js';

const recipe = await loadEncoderRecipe('tiny-encoder');
const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-gguf-encoder-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const text = (length: number, salt: number) =>
  Array.from({ length }, (_, i) => 3 + (((i + salt + 1) * 131) % (recipe.vocabulary - 3)));
const texts = [text(9, 0), text(1, 50), text(123, 80), text(40, 7)];

const rowsOf = (vectors: Float32Array, size: number) =>
  Array.from({ length: vectors.length / size }, (_, row) => vectors.subarray(row * size, (row + 1) * size));
/** Of vectors of length 1. */
const cosine = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

describe.skipIf(findLlama('cpu') === null)('llama.cpp, with an encoder', () => {
  let llama: LlamaEncoder;
  let onnx: Encoder;
  let directory: string;
  const gguf = (poolsItself = true) => ({
    paths: [writeEncoderGguf(join(scratch, `${poolsItself}.gguf`), recipe, pooling(poolsItself))],
    ...{ contextLength: recipe.contextLength, poolsItself },
  });
  const pooling = (poolsItself: boolean) => ({ 'bert.pooling_type': { uint32: poolsItself ? 1 : 0 } });

  beforeAll(async () => {
    llama = new LlamaEncoder(gguf(), { threads: 1, device: 'cpu' });
    directory = await buildEncoder(recipe, { dtype: 'fp16', cacheDirectory: scratch });
    const folder = await openEncoderFolder(directory, { dtype: 'fp16', cacheDirectory: scratch });
    onnx = await openOnnxEncoder(folder, { threads: 1, backend: 'auto' });
  });
  afterAll(() => {
    llama.close();
    onnx.close();
  });

  it('gives the vectors that ONNX Runtime gives of the same weights', async () => {
    const expected = rowsOf(await onnx.embed(texts), onnx.size);
    expect(llama.size).toBe(recipe.hiddenSize);
    const together = rowsOf(await llama.embed(texts), llama.size);
    for (const [row, vector] of together.entries()) {
      expect(cosine(vector, vector)).toBeCloseTo(1, 5);
      expect(cosine(vector, expected[row]!), `text ${row}`).toBeGreaterThan(0.9999);
    }
    for (const [row, tokens] of texts.entries())
      expect(cosine(await llama.embed([tokens]), expected[row]!), `text ${row}`).toBeGreaterThan(0.9999);
    // Nothing that would also hold of vectors that are all alike.
    expect(cosine(together[0]!, together[2]!)).toBeLessThan(0.99);
  });

  it('takes the mean of positions where the file names no pooling, with threads and from a shared model', async () => {
    const encoder = new LlamaEncoder(gguf(false), { threads: 2, device: 'cpu' });
    const other = new LlamaEncoder(gguf(false), {
      ...{ threads: 1, device: 'cpu' },
      sharedHandle: encoder.sharedHandle,
    });
    const expected = await llama.embed([texts[2]!]);
    for (const one of [encoder, other])
      expect(cosine(await one.embed([texts[2]!]), expected)).toBeGreaterThan(0.9999);
    other.close();
    encoder.close();
  });

  it('tokenizes as the tokenizer of the folder does', async () => {
    const tokenizer = await loadTokenizer(directory);
    for (const words of ['', 'What does a cache miss cost?', 'naïve 漢字 🙂'])
      expect(llama.tokenizer.encode(words)).toEqual(tokenizer.encode(words));
  });

  it('refuses what it cannot read, and goes on', async () => {
    await expect(llama.embed([])).rejects.toMatchObject({ code: 'invalid-step' });
    await expect(llama.embed([text(513, 0)])).rejects.toMatchObject({ code: 'context-exceeded' });
    await expect(llama.embed([[recipe.vocabulary]])).rejects.toMatchObject({
      code: 'token-out-of-vocabulary',
    });
    await expect(llama.classify()).rejects.toMatchObject({ code: 'encoder-head' });
    raiseFlag(llama.terminationHandle);
    expect(await llama.embed([texts[0]!])).toHaveLength(llama.size);
  });
});
