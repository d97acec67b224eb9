import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { flopsOf } from '../core/cost.js';
import { lacksShared, sharedPath } from '../shared-files.test-support.js';
import { describeModel } from './describe-model.js';
import { recipeOfRepo } from './hub/failure.js';
import { resolveModel } from './resolve.js';
import { loadTokenizer } from './tokenizer.js';

const stories = sharedPath('models/stories260K');

let directory: string;
let cacheDirectory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tokenwork-resolve-'));
  cacheDirectory = join(directory, 'cache');
});
afterEach(() => rm(directory, { recursive: true }));

/** The shape of stories260K, as its README gives it. */
const storiesConfig = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  bos_token_id: 1,
  eos_token_id: 2,
  hidden_act: 'silu',
  hidden_size: 64,
  intermediate_size: 172,
  max_position_embeddings: 512,
  num_attention_heads: 8,
  num_hidden_layers: 5,
  num_key_value_heads: 4,
  tie_word_embeddings: true,
  vocab_size: 512,
};

describe('a recipe', () => {
  test('is built once, with a tokenizer that fits', async () => {
    const model = await resolveModel('tiny', { cacheDirectory, dtype: 'fp32' });
    expect(model).toMatchObject({ id: 'tiny', source: 'synthesised', dtype: 'fp32', notices: [] });
    expect((await loadTokenizer(model.directory)).vocabulary).toBeLessThanOrEqual(model.vocabulary);
    const again = await resolveModel('tiny', { cacheDirectory, dtype: 'fp32' });
    expect(again.directory).toBe(model.directory);
  });

  test('with another seed has other weights, the same cost', async () => {
    const one = await resolveModel('tiny', { cacheDirectory, dtype: 'q4', seed: 1 });
    const two = await resolveModel('tiny', { cacheDirectory, dtype: 'q4', seed: 2 });
    expect(two.sha256).not.toBe(one.sha256);
    expect(two.cost).toEqual(one.cost);
  });

  test('of any size is described without building it', async () => {
    const { decoder, cost, graph } = await describeModel('llama-3-8b', { cacheDirectory, dtype: 'fp16' });
    // Llama 3 8B: 8,030,261,248 parameters; 32 layers of 8 key/value heads of 128 at 2 bytes.
    expect(cost!.parameters).toBe(8_030_261_248);
    expect(cost!.kvBytesPerToken).toBe(2 * 32 * 8 * 128 * 2);
    expect(decoder!.layers).toHaveLength(32);
    expect(graph.graph.initializer!.every(({ rawData }) => (rawData?.length ?? 0) < 1000)).toBe(true);
    expect(await readdir(directory)).toEqual([]);
  });

  test('costs the same described as built', async () => {
    const options = { cacheDirectory, dtype: 'q4' } as const;
    const described = await describeModel('tiny', options);
    expect((await resolveModel('tiny', options)).cost).toEqual(described.cost);
  });
});

describe('a config.json', () => {
  test('stands for the shape it describes, by itself or in a folder with nothing else', async () => {
    const folder = join(directory, 'my model');
    await mkdir(folder);
    await writeFile(join(folder, 'config.json'), JSON.stringify(storiesConfig));
    const options = { cacheDirectory, dtype: 'fp32' } as const;
    const byFile = await resolveModel(join(folder, 'config.json'), options).catch((error) => error);
    expect(byFile).toMatchObject({ id: 'my-model', source: 'synthesised', contextLength: 512, notices: [] });
    const byFolder = await resolveModel(folder, options);
    expect(byFolder.directory).toBe(byFile.directory);
    expect(byFolder.notices).toEqual([
      expect.objectContaining({ code: 'weights-synthesised', message: expect.stringContaining(folder) }),
    ]);
    // README of stories260K: B·(T·259,328 + 640·T·(T+P)) multiply-adds.
    const { matmul } = flopsOf(byFolder.cost, { batch: 2, newTokens: 7, pastTokens: 11 });
    expect(matmul).toBe(2 * 2 * (7 * 259_328 + 640 * 7 * 18));
    expect((await describeModel(folder, options)).cost).toEqual(byFolder.cost);
  });

  test('of another architecture, or broken, is refused', async () => {
    const path = join(directory, 'config.json');
    await writeFile(
      path,
      JSON.stringify({ ...storiesConfig, architectures: ['BertModel'], model_type: 'bert' }),
    );
    await expect(resolveModel(path)).rejects.toMatchObject({ code: 'unsupported-architecture' });
    await writeFile(path, JSON.stringify({ ...storiesConfig, num_hidden_layers: -1 }));
    await expect(resolveModel(path)).rejects.toMatchObject({ code: 'bad-config' });
    await writeFile(path, '{"model_type": "llama",}');
    await expect(resolveModel(path)).rejects.toMatchObject({ code: 'json-broken' });
  });
});

describe.skipIf(lacksShared)('stories260K', () => {
  test('resolves as a folder and as its .onnx file', async () => {
    const folder = await resolveModel(stories, { cacheDirectory });
    expect(folder).toMatchObject({ id: 'stories260K', source: 'folder', dtype: 'fp32', eosTokenIds: [2] });
    const file = await resolveModel(join(stories, 'onnx/model_quantized.onnx'), { cacheDirectory });
    expect(file).toMatchObject({ directory: folder.directory, dtype: 'int8' });
  });

  test('costs what its README says, read as a folder, a graph, and a lone file', async () => {
    const lone = join(directory, 'lone.onnx');
    await cp(join(stories, 'onnx/model.onnx'), lone);
    const costs = [
      (await resolveModel(stories, { cacheDirectory })).cost,
      (await describeModel(stories)).cost!,
      (await describeModel(lone)).cost!,
    ];
    for (const cost of costs) {
      const { matmul } = flopsOf(cost, { batch: 3, newTokens: 5, pastTokens: 100 });
      expect(matmul).toBe(2 * 3 * (5 * 259_328 + 640 * 5 * 105));
    }
    await expect(resolveModel(lone)).rejects.toMatchObject({ code: 'not-a-folder' });
  });
});

describe('an unknown model', () => {
  test.each([
    ['smollm2-135', '"smollm2-135m"'],
    ['Llama-3-8B', '"llama-3-8b"'],
    ['HuggingFaceTB/SmolLM2-135M-Instruct', '"hf:HuggingFaceTB/SmolLM2-135M-Instruct"'],
  ])('%s brings to mind %s', async (spec, guess) => {
    await expect(resolveModel(spec)).rejects.toMatchObject({
      code: 'unknown-model',
      exitCode: 2,
      message: expect.stringContaining(spec),
      hint: expect.stringContaining(`Did you mean ${guess}?`),
    });
  });

  test('like no other is told what is accepted', async () => {
    await expect(resolveModel('./no/such/folder')).rejects.toMatchObject({
      code: 'unknown-model',
      hint: expect.stringMatching(/^A model is a recipe/),
    });
    await expect(resolveModel('no-name-of-anything')).rejects.toMatchObject({
      hint: expect.stringMatching(/^A model is a recipe, .* tiny/),
    });
    for (const [name, code] of [
      ['model.bin', 'unknown-model'],
      ['model.gguf', 'model-not-onnx'],
    ] as const) {
      await writeFile(join(directory, name), 'GGUF');
      await expect(resolveModel(join(directory, name))).rejects.toMatchObject({ code });
    }
    await expect(resolveModel(directory)).rejects.toMatchObject({ code: 'model-not-onnx' });
    await rm(join(directory, 'model.gguf'));
    await expect(resolveModel(directory)).rejects.toMatchObject({ code: 'no-config' });
    await expect(resolveModel('')).rejects.toMatchObject({ code: 'unknown-model' });
    await expect(resolveModel('hf:')).rejects.toMatchObject({ code: 'bad-hub-spec' });
  });
});

test.each([
  ['HuggingFaceTB/SmolLM2-135M-Instruct', 'smollm2-135m'],
  ['onnx-community/Llama-3.2-1B-Instruct-ONNX', 'llama-3.2-1b'],
  ['meta-llama/Meta-Llama-3-8B-Instruct', 'llama-3-8b'],
  ['meta-llama/Llama-2-7b-chat-hf', 'llama-2-7b'],
  ['TinyLlama/TinyLlama-1.1B-Chat-v1.0', 'tinyllama-1.1b'],
  ['Xenova/gpt2', 'gpt2-124m'],
  ['Qwen/Qwen2.5-7B-Instruct', 'qwen2.5-7b'],
  ['allenai/OLMoE-1B-7B-0924-Instruct', 'olmoe-1b-7b'],
  ['Qwen/Qwen2.5-14B', null],
  ['HuggingFaceTB/SmolLM2-1.7B', null],
])('the recipe with the shape of %s is %s', async (repo, id) => {
  expect((await recipeOfRepo(repo))?.id ?? null).toBe(id);
});
