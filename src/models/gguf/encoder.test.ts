import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bytesOf, flopsOf } from '../../core/cost.js';
import { encoderParameters, loadEncoderRecipe } from '../encoder/recipe.js';
import { resolveEncoder } from '../encoder/resolve.js';
import { writeEncoderGguf } from './encoder-file.test-support.js';
import { openGguf } from './open.js';

const recipe = await loadEncoderRecipe('tiny-encoder');
const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-gguf-encoders-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const options = { cacheDirectory: scratch, head: { kind: 'embedding' } } as const;
const write = (name: string, fields = {}) => writeEncoderGguf(join(scratch, `${name}.gguf`), recipe, fields);
const path = write('tiny');

describe('an embedding model in GGUF', () => {
  it('is found by its file, and counted as the same shape in ONNX', async () => {
    const model = await resolveEncoder(path, options);
    expect(model).toMatchObject({
      ...{ format: 'gguf', id: 'tiny', source: 'folder', dtype: 'F16', contextLength: 512 },
      ...{ paths: [path], poolsItself: true, tokenizerDirectory: null, notices: [] },
    });
    expect(model.cost.parameters).toBe(encoderParameters(recipe, { kind: 'embedding' }));
    const onnx = await resolveEncoder('tiny-encoder', { ...options, dtype: 'fp32' });
    for (const newTokens of [1, 7, 300]) {
      const pass = { batch: 1, newTokens, pastTokens: 0 };
      expect(flopsOf(model.cost, pass)).toEqual(flopsOf(onnx.cost, pass));
    }
  });

  it('reads each weight once, and of its tables the rows of its tokens', async () => {
    const { cost } = await resolveEncoder(path, options);
    const { hiddenSize, vocabulary, contextLength, tokenTypes, layers, intermediateSize } = recipe;
    const tables = 2 * vocabulary * hiddenSize + 4 * (contextLength + tokenTypes) * hiddenSize;
    const matrices = 2 * layers * (4 * hiddenSize ** 2 + 2 * hiddenSize * intermediateSize);
    const vectors = 4 * (2 * hiddenSize + layers * (9 * hiddenSize + intermediateSize));
    const read = matrices + vectors + 4 * hiddenSize + 10 * (2 + 4) * hiddenSize;
    expect(bytesOf(cost, { batch: 1, newTokens: 10, pastTokens: 0 }).weights).toBe(read);
    expect(statSync(path).size).toBeGreaterThan(tables + matrices + vectors);
  });

  it('says how its positions are pooled, or leaves it open', async () => {
    const open = write('unpooled', { 'bert.pooling_type': { uint32: 0 } });
    expect(await resolveEncoder(open, options)).toMatchObject({ poolsItself: false });
  });

  it('is refused where something else is needed', async () => {
    const code = (value: string) => expect.objectContaining({ code: value });
    await expect(openGguf(path, { cacheDirectory: scratch })).rejects.toEqual(code('not-a-decoder'));
    const ranks = write('ranks', { 'bert.pooling_type': { uint32: 4 } });
    await expect(resolveEncoder(ranks, options)).rejects.toEqual(code('encoder-head'));
    const labels = { kind: 'classification', labels: 2 } as const;
    await expect(resolveEncoder(path, { ...options, head: labels })).rejects.toEqual(code('encoder-head'));
    const decoder = write('decoder', { 'general.architecture': { string: 'llama' } });
    await expect(resolveEncoder(decoder, options)).rejects.toEqual(code('not-an-encoder'));
  });

  it('of a family that is not known runs without counts, and says so', async () => {
    const other = Object.fromEntries(
      [
        ['context_length', 512],
        ['embedding_length', 128],
        ['block_count', 2],
        ['attention.head_count', 4],
      ].map(([key, uint32]) => [`nomic-bert.${key}`, { uint32 }]),
    );
    const path = write('nomic', { 'general.architecture': { string: 'nomic-bert' }, ...other });
    const { cost, notices } = await resolveEncoder(path, options);
    expect(cost.notCounted).toContain('nomic-bert');
    expect(notices).toHaveLength(1);
  });
});
