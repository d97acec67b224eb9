import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeModel } from '../onnx/proto.js';
import { buildModel, builtModelDirectory } from './build-model.js';
import { largeRecipe, smallRecipes } from './shapes.test-support.js';

let cache: string;
beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), 'tokenwork-build-'));
});
afterAll(() => rm(cache, { recursive: true, force: true }));

/** SHA-256 of every file below a folder. */
async function digests(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const pairs = files.map(async (file) => [
    relative(folder, file),
    createHash('sha256')
      .update(await readFile(file))
      .digest('hex'),
  ]);
  return Object.fromEntries(await Promise.all(pairs));
}

describe('building a model', () => {
  it('writes a complete transformers.js folder', async () => {
    const folder = await buildModel(smallRecipes.llama, { dtype: 'fp32', cacheDirectory: cache });
    expect(Object.keys(await digests(folder)).sort()).toEqual([
      'config.json',
      'generation_config.json',
      join('onnx', 'model.onnx'),
      'special_tokens_map.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
  });

  it.each([
    ['fp16', 'model_fp16.onnx'],
    ['int8', 'model_int8.onnx'],
    ['q4', 'model_q4.onnx'],
  ] as const)('of %s names the file as transformers.js looks for it', async (dtype, name) => {
    const folder = await buildModel(smallRecipes.llama, { dtype, cacheDirectory: cache });
    expect(await readdir(join(folder, 'onnx'))).toEqual([name]);
  });

  it('gives the same bytes each time', async () => {
    for (const recipe of [smallRecipes.qwen3_moe, largeRecipe]) {
      const folders = ['one', 'two'].map((name) =>
        buildModel(recipe, { dtype: 'q4', seed: 7, cacheDirectory: join(cache, name) }),
      );
      const [one, two] = await Promise.all(folders.map(async (folder) => digests(await folder)));
      expect(one).toEqual(two);
    }
  });

  it('keeps a folder per shape, dtype, graph variant and seed, whatever the recipe is called', async () => {
    const recipe = smallRecipes.llama;
    const options = { dtype: 'q4', cacheDirectory: cache } as const;
    const base = await buildModel(recipe, options);
    const others = await Promise.all([
      buildModel(recipe, { ...options, dtype: 'int8' }),
      buildModel(recipe, { ...options, graphVariant: 'standard' }),
      buildModel(recipe, { ...options, seed: 2 }),
      buildModel({ ...recipe, layers: 1 }, options),
    ]);
    expect(new Set([base, ...others]).size).toBe(5);
    expect(await buildModel({ ...recipe, name: 'Renamed' }, options)).toBe(base);
  });

  it('returns a folder built before as it is', async () => {
    const options = { dtype: 'fp32', seed: 11, cacheDirectory: cache } as const;
    expect(await builtModelDirectory(smallRecipes.llama, options)).toBeNull();
    const folder = await buildModel(smallRecipes.llama, options);
    expect(await builtModelDirectory(smallRecipes.llama, options)).toBe(folder);
    const { ctimeMs } = await stat(join(folder, 'config.json'));
    expect(await buildModel(smallRecipes.llama, options)).toBe(folder);
    expect((await stat(join(folder, 'config.json'))).ctimeMs).toBe(ctimeMs);
  });

  it('puts large weights into a data file of their own, aligned and complete', async () => {
    const fractions: number[] = [];
    const folder = await buildModel(largeRecipe, {
      dtype: 'fp32',
      cacheDirectory: cache,
      onProgress: ({ fraction }) => fractions.push(fraction),
    });
    expect((await readdir(join(folder, 'onnx'))).sort()).toEqual(['model.onnx', 'model.onnx_data']);
    const { graph } = decodeModel(await readFile(join(folder, 'onnx', 'model.onnx')));
    let end = 0;
    for (const { externalData, dims } of graph.initializer!) {
      if (!externalData?.length) continue;
      const entries = new Map(externalData.map(({ key, value }) => [key, value]));
      expect(entries.get('location')).toBe('model.onnx_data');
      expect(Number(entries.get('offset')) % 4096).toBe(0);
      expect(Number(entries.get('offset'))).toBeGreaterThanOrEqual(end);
      expect(Number(entries.get('length'))).toBe(4 * dims!.reduce((product, dim) => product * dim, 1));
      end = Number(entries.get('offset')) + Number(entries.get('length'));
    }
    expect((await stat(join(folder, 'onnx', 'model.onnx_data'))).size).toBe(end);
    expect(fractions.at(-1)).toBe(1);
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
    expect(config['transformers.js_config'].use_external_data_format).toEqual({ 'model.onnx': 1 });
  });

  it('stops when asked to, and keeps nothing of it', async () => {
    const directory = join(cache, 'stopped');
    const controller = new AbortController();
    const building = buildModel(largeRecipe, {
      dtype: 'fp32',
      cacheDirectory: directory,
      signal: controller.signal,
    });
    setTimeout(() => controller.abort(), 1);
    await expect(building).rejects.toMatchObject({ code: 'aborted', exitCode: 3 });
    expect(await readdir(join(directory, 'models'))).toEqual([]);
  });
});
