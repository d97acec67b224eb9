import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lacksShared, sharedPath } from '../shared-files.test-support.js';
import { describeModel } from './describe-model.js';
import { digestFiles } from './digest.js';
import { openFolder } from './folder.js';
import { decodeModel, encodeModel, type ModelProto } from './onnx/proto.js';
import { resolveModel } from './resolve.js';

const stories = sharedPath('models/stories260K');

describe.skipIf(lacksShared)('a model folder', () => {
  let directory: string;
  let cacheDirectory: string;
  beforeEach(async () => {
    const root = await mkdtemp(join(tmpdir(), 'tokenwork-folder-'));
    directory = join(root, 'stories');
    cacheDirectory = join(root, 'cache');
    await cp(stories, directory, { recursive: true });
  });
  afterEach(() => rm(join(directory, '..'), { recursive: true }));

  const open = (dtype?: string) => openFolder(directory, { cacheDirectory, dtype });
  const readJson = async (name: string) =>
    JSON.parse(await readFile(join(directory, name), 'utf8')) as Record<string, unknown>;
  const writeJson = (name: string, value: unknown) => writeFile(join(directory, name), JSON.stringify(value));
  const changeJson = async (name: string, fields: object) =>
    writeJson(name, { ...(await readJson(name)), ...fields });
  const changeGraph = async (change: (model: ModelProto) => void) => {
    const path = join(directory, 'onnx/model.onnx');
    const model = decodeModel(await readFile(path));
    change(model);
    await writeFile(path, encodeModel(model));
  };

  test('says what its files say', async () => {
    const model = await open();
    expect(model).toMatchObject({
      id: 'stories',
      source: 'folder',
      directory,
      onnxPath: join(directory, 'onnx/model.onnx'),
      dtype: 'fp32',
      graphVariant: 'primitive',
      contextLength: 512,
      vocabulary: 512,
      eosTokenIds: [2],
    });
    expect(model.decoder.layers).toHaveLength(5);
    // README of the model: 260,032 parameters.
    expect(model.cost.parameters).toBe(260_032);
    const bytes = await readFile(join(directory, 'onnx/model.onnx'));
    expect(model.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  test('gives the dtype asked for, and says which it chose where none was', async () => {
    const quantized = await open('int8');
    expect(quantized.onnxPath).toBe(join(directory, 'onnx/model_quantized.onnx'));
    expect(quantized.notices).toEqual([]);
    expect((await open()).notices).toEqual([
      expect.objectContaining({
        code: 'dtype-chosen',
        message: expect.stringContaining('fp32'),
        hint: expect.stringContaining('int8'),
      }),
    ]);
    await expect(open('q4')).rejects.toMatchObject({
      code: 'dtype-missing',
      hint: expect.stringContaining('fp32, int8'),
    });
    await rm(join(directory, 'onnx/model.onnx'));
    expect(await open()).toMatchObject({ dtype: 'int8', notices: [] });
  });

  test('prefers model_int8.onnx to model_quantized.onnx', async () => {
    await cp(join(directory, 'onnx/model_quantized.onnx'), join(directory, 'onnx/model_int8.onnx'));
    expect((await open('int8')).onnxPath).toBe(join(directory, 'onnx/model_int8.onnx'));
  });

  test.each([
    [{ eos_token_id: [2, 5] }, { eos_token_id: 7 }, [2, 5]],
    [{ eos_token_id: null }, { eos_token_id: 7 }, [7]],
    [{}, { eos_token_id: [7] }, [7]],
    [{}, {}, []],
  ])('takes end-of-text from %j before %j', async (generation, config, expected) => {
    await writeJson('generation_config.json', generation);
    const { eos_token_id: _, ...rest } = await readJson('config.json');
    await writeJson('config.json', { ...rest, ...config });
    expect((await open()).eosTokenIds).toEqual(expected);
  });

  test('needs no generation config', async () => {
    await rm(join(directory, 'generation_config.json'));
    expect((await open()).eosTokenIds).toEqual([2]);
  });

  test.each(['n_positions', 'n_ctx'])('finds the context length in %s', async (field) => {
    const { max_position_embeddings: _, ...config } = await readJson('config.json');
    await writeJson('config.json', { ...config, [field]: 77 });
    expect((await open()).contextLength).toBe(77);
  });

  test.each([[undefined], [0], [-1], [1.5], ['512']])('refuses a context length of %j', async (length) => {
    await changeJson('config.json', { max_position_embeddings: length });
    await expect(open()).rejects.toMatchObject({
      code: 'bad-config',
      message: expect.stringContaining('config.json'),
    });
  });

  test('takes a tokenizer with ids beyond the model, as published ones have', async () => {
    const tokenizer = await readJson('tokenizer.json');
    const added = tokenizer.added_tokens as object[];
    await writeJson('tokenizer.json', {
      ...tokenizer,
      added_tokens: [...added, { ...added[0], id: 512, content: '<extra>' }],
    });
    expect((await open()).vocabulary).toBe(512);
  });

  test('is opened where part of its graph cannot be counted, and says which part', async () => {
    await changeGraph(({ graph }) => {
      const at = graph.node!.findIndex(({ opType }) => opType === 'Gather');
      const [output] = graph.node![at]!.output!;
      graph.node![at]!.output = [`${output}_raw`];
      const shrink = { opType: 'Shrink', name: 'shrunk', input: [`${output}_raw`], output: [output!] };
      graph.node!.splice(at + 1, 0, shrink);
    });
    const { cost, notices } = await open();
    expect(cost.notCounted).toContain('Shrink (1) at shrunk');
    expect(notices).toContainEqual(
      expect.objectContaining({ code: 'not-counted', message: expect.stringContaining('shrunk') }),
    );
  });

  test.each(['decoder_model_merged.onnx', 'decoder_model.onnx', 'model_q4f16.onnx'])(
    'opens the decoder called %s',
    async (name) => {
      const found = await readdir(join(directory, 'onnx'));
      for (const other of found.slice(1)) await rm(join(directory, 'onnx', other));
      await rename(join(directory, 'onnx', found[0]!), join(directory, 'onnx', name));
      expect((await open()).onnxPath).toBe(join(directory, 'onnx', name));
    },
  );

  test('names the files of a folder that has weights, but no decoder by any of the known names', async () => {
    const found = await readdir(join(directory, 'onnx'));
    for (const other of found.slice(1)) await rm(join(directory, 'onnx', other));
    await rename(join(directory, 'onnx', found[0]!), join(directory, 'onnx', 'net.onnx'));
    await expect(resolveModel(directory)).rejects.toMatchObject({
      code: 'no-onnx',
      message: expect.stringContaining('onnx/net.onnx'),
    });
    await expect(describeModel(directory)).rejects.toMatchObject({ code: 'no-onnx' });
  });

  test.each([
    ['config.json', 'no-config'],
    ['tokenizer.json', 'no-tokenizer'],
    ['onnx', 'no-onnx'],
  ])('names the missing %s', async (name, code) => {
    await rm(join(directory, name), { recursive: true });
    await expect(open()).rejects.toMatchObject({ code, message: expect.stringContaining(directory) });
  });

  test.each(['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json'])(
    'names the place where %s is broken',
    async (name) => {
      await writeFile(join(directory, name), '{\n "a": 1,\n "b": }\n');
      await expect(open()).rejects.toMatchObject({
        code: 'json-broken',
        message: expect.stringMatching(new RegExp(`${name} is not valid JSON: .* at line 3, column 7`)),
      });
      await writeFile(join(directory, name), '{\n "a": 1,\n');
      await expect(open()).rejects.toMatchObject({
        message: expect.stringMatching(/ends too early at line 3/),
      });
      await writeFile(join(directory, name), '[]');
      await expect(open()).rejects.toMatchObject({ code: 'json-not-an-object' });
    },
  );

  test('is no file and nothing that is not there', async () => {
    const options = { cacheDirectory };
    await expect(openFolder(join(directory, 'config.json'), options)).rejects.toMatchObject({
      code: 'not-a-folder',
    });
    await expect(openFolder(join(directory, 'absent'), options)).rejects.toMatchObject({
      code: 'not-a-folder',
      message: expect.stringContaining('absent'),
    });
  });

  test('refuses a truncated graph', async () => {
    await truncate(join(directory, 'onnx/model.onnx'), 100_000);
    await expect(open()).rejects.toMatchObject({ code: 'model-truncated' });
  });

  test('refuses a graph that is no decoder, naming the file', async () => {
    await changeGraph(({ graph }) => {
      graph.output = graph.output!.filter(({ name }) => name === 'logits');
    });
    await expect(open()).rejects.toMatchObject({
      code: 'not-a-decoder',
      message: expect.stringContaining('onnx/model.onnx'),
    });
  });

  test('includes external data in the hash, and names it where it is missing or short', async () => {
    const data = join(directory, 'onnx/model.onnx_data');
    await changeGraph(({ graph }) => {
      const tensor = graph.initializer!.find(({ rawData }) => (rawData?.length ?? 0) > 1000)!;
      tensor.dataLocation = 1;
      tensor.externalData = [
        { key: 'location', value: 'model.onnx_data' },
        { key: 'offset', value: '16' },
        { key: 'length', value: String(tensor.rawData!.length) },
      ];
      delete tensor.rawData;
    });
    await expect(open()).rejects.toMatchObject({
      code: 'external-data-missing',
      message: expect.stringContaining('model.onnx_data'),
    });
    await writeFile(data, Buffer.alloc(999));
    await expect(open()).rejects.toMatchObject({ code: 'external-data-truncated' });
    await writeFile(data, Buffer.alloc(2 ** 20));
    const both = Buffer.concat([await readFile(join(directory, 'onnx/model.onnx')), await readFile(data)]);
    expect((await open()).sha256).toBe(createHash('sha256').update(both).digest('hex'));
  });
});

describe('the digest of a large file', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tokenwork-digest-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  test('is remembered until the file changes', async () => {
    const path = join(directory, 'weights');
    await writeFile(path, '');
    await truncate(path, 64 * 2 ** 20);
    const digest = async () => {
      const fractions: number[] = [];
      const onProgress = (fraction: number) => fractions.push(fraction);
      const sha256 = await digestFiles([path], { cacheDirectory: join(directory, 'cache'), onProgress });
      return { sha256, read: fractions.length > 0 };
    };
    // sha256sum of 64 MiB of zeros
    const zeros = '3b6a07d0d404fab4e23b6d34bc6696a6a312dd92821332385e5af7c01c421351';
    expect(await digest()).toEqual({ sha256: zeros, read: true });
    expect(await digest()).toEqual({ sha256: zeros, read: false });
    await utimes(path, 1, 1);
    expect(await digest()).toEqual({ sha256: zeros, read: true });
    const [memory] = await readdir(join(directory, 'cache/digests'));
    await writeFile(join(directory, 'cache/digests', memory!), 'damaged');
    expect(await digest()).toEqual({ sha256: zeros, read: true });
    await rename(path, join(directory, 'elsewhere'));
    await expect(digest()).rejects.toThrow('ENOENT');
  });

  test('stops when asked to', async () => {
    const path = join(directory, 'weights');
    await writeFile(path, 'abc');
    const options = { cacheDirectory: directory, signal: AbortSignal.abort() };
    await expect(digestFiles([path], options)).rejects.toMatchObject({ code: 'aborted' });
  });
});
