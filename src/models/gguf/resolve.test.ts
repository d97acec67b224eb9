import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flopsOf } from '../../core/cost.js';
import { vocabularyOf } from '../build/folder-files.js';
import { buildGguf } from '../build/gguf/build.js';
import { ggufMetadata } from '../build/gguf/metadata.js';
import { ggufTensors } from '../build/gguf/tensors.js';
import { smallRecipes } from '../build/shapes.test-support.js';
import { resolveGguf } from './resolve.js';
import { type GgufField, type GgufSource, ggufFile } from './write.js';

const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-gguf-resolve-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const cacheDirectory = join(scratch, 'cache');
const at = (name: string) => join(scratch, name);

const recipe = smallRecipes.llama;
const fields = ggufMetadata(recipe, 'fp16', vocabularyOf(recipe));
const tensors = () => ggufTensors(recipe, { type: 'F16', seed: 1, interleaved: true });
const write = (name: string, metadata: Record<string, GgufField>, sources: GgufSource[] = tensors()) => {
  mkdirSync(dirname(at(name)), { recursive: true });
  writeFileSync(at(name), Buffer.concat([...ggufFile(metadata, sources)].map((chunk) => Buffer.from(chunk))));
  return at(name);
};
const open = (spec: string) => resolveGguf(spec, { cacheDirectory });

describe('a GGUF model to be run', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await buildGguf(recipe, { dtype: 'fp16', cacheDirectory });
  });

  it('tells what a run needs of it', async () => {
    const model = await open(join(folder, 'model.gguf'));
    expect(model).toMatchObject({
      ...{ id: 'model', architecture: 'llama', dtype: 'F16', source: 'folder', notices: [] },
      ...{ contextLength: recipe.contextLength, vocabulary: recipe.vocabulary },
      ...{ eosTokenIds: recipe.eosTokenIds, bosTokenId: recipe.bosTokenId },
      paths: [join(folder, 'model.gguf')],
    });
    expect(model.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(await open(folder)).toEqual(model);
  });

  it('takes the tokenizer beside it where that has the tokens of the file', async () => {
    expect((await open(folder)).tokenizerDirectory).toBe(folder);
    copyFileSync(join(folder, 'tokenizer.json'), at('tokenizer.json'));
    const { strings } = fields['tokenizer.ggml.tokens'] as { strings: string[] };
    const others = { ...fields, 'tokenizer.ggml.tokens': { strings: strings.map((token) => `${token}!`) } };
    expect((await open(write('same.gguf', fields))).tokenizerDirectory).toBe(scratch);
    expect((await open(write('other.gguf', others))).tokenizerDirectory).toBeNull();
    writeFileSync(at('tokenizer.json'), '[]');
    expect((await open(at('same.gguf'))).tokenizerDirectory).toBeNull();
    rmSync(at('tokenizer.json'));
    expect((await open(at('same.gguf'))).tokenizerDirectory).toBeNull();
  });

  it('may be split, and lie in a folder with its projector', async () => {
    const all = tensors();
    write('split/m-00001-of-00002.gguf', fields, all.slice(0, 5));
    const second = write('split/m-00002-of-00002.gguf', { 'split.no': { uint32: 1 } }, all.slice(5));
    write('split/mmproj-m.gguf', { 'general.architecture': { string: 'clip' } }, []);
    const paths = [at('split/m-00001-of-00002.gguf'), second];
    for (const spec of [second, at('split')])
      expect(await open(spec)).toMatchObject({ id: 'm', paths, cost: { parameters: expect.any(Number) } });
    write('split/another.gguf', fields);
    await expect(open(at('split'))).rejects.toMatchObject({
      ...{ code: 'bad-option', message: expect.stringContaining('another.gguf') },
    });
    rmSync(second);
    await expect(open(paths[0]!)).rejects.toMatchObject({ code: 'gguf-part-missing', exitCode: 2 });
  });

  it('of an architecture that is not known has no costs, and the reason', async () => {
    const renamed = Object.entries(fields).map(([key, field]) => [key.replace(/^llama\./, 'other.'), field]);
    const other = { ...Object.fromEntries(renamed), 'general.architecture': { string: 'other' } };
    const model = await open(write('unknown.gguf', other));
    expect(model.decoder).toBeNull();
    expect(model.cost.notCounted).toMatch(/architecture "other"/);
    expect(flopsOf(model.cost, { batch: 1, newTokens: 8, pastTokens: 0 }).matmul).toBe(0);
    expect(model.notices).toMatchObject([{ code: 'not-counted' }]);
    expect(model.cost.kvBytesPerToken).toBe(2 * recipe.layers * recipe.kvHeads * 2 * recipe.headDim);
  });

  const tokens = (list: string[]) => ({ ...fields, 'tokenizer.ggml.tokens': { strings: list } });
  const { strings } = fields['tokenizer.ggml.tokens'] as { strings: string[] };
  const without = (key: string) =>
    Object.fromEntries(Object.entries(fields).filter(([name]) => name !== key));
  it.each<[what: string, metadata: Record<string, GgufField>, message: RegExp]>([
    ['no tokens', tokens([]), /has no tokens/],
    ['no list of tokens', without('tokenizer.ggml.tokens'), /has no tokens/],
    ['no tokenizer', without('tokenizer.ggml.model'), /names no tokenizer/],
    ['no merges', without('tokenizer.ggml.merges'), /has no merges/],
    ['a token twice', tokens([...strings.slice(0, -1), strings[0]!]), /repeats tokens/],
    [
      'more tokens than rows',
      { ...tokens([...strings, 'more']), 'tokenizer.ggml.token_type': { int32s: new Array(301).fill(1) } },
      /301 tokens, and its embedding table 300 rows/,
    ],
    ['too few kinds', { ...fields, 'tokenizer.ggml.token_type': { int32s: [1] } }, /token_type is no list/],
    [
      'a negative epsilon',
      { ...fields, 'llama.attention.layer_norm_rms_epsilon': { float32: -1 } },
      /epsilon is -1/,
    ],
    [
      'experts of which none is used',
      { ...fields, 'llama.expert_count': { uint32: 3 } },
      /uses 0 of 3 experts/,
    ],
    [
      'absurdly many experts',
      { ...fields, 'llama.expert_count': { uint32: 2 ** 32 - 1 } },
      /uses 0 of 4294967295/,
    ],
    [
      'groups of no experts',
      { ...fields, 'llama.expert_group_count': { uint32: 3 } },
      /0 experts in 3 groups/,
    ],
    [
      'a part of heads rotated',
      { ...fields, 'llama.rope.dimension_count': { uint32: 3 } },
      /keys of 16.* rotate 3/,
    ],
    ['an unknown scaling', { ...fields, 'llama.rope.scaling.type': { string: 'x' } }, /not known \("x"\)/],
    ['layers ahead of none', { ...fields, 'llama.nextn_predict_layers': { uint32: 9 } }, /predict ahead/],
    ['no length of context', without('llama.context_length'), /how long its context is/],
  ])('with %s is refused', async (_what, metadata, message) => {
    await expect(open(write('bad.gguf', metadata))).rejects.toMatchObject({
      ...{ code: 'bad-gguf', exitCode: 2, message: expect.stringMatching(message) },
    });
  });

  it('with a norm in integers is refused', async () => {
    const changed = tensors().map((tensor) =>
      tensor.name === 'output_norm.weight' ? { ...tensor, type: 'I32' } : tensor,
    );
    await expect(open(write('norm.gguf', fields, changed))).rejects.toMatchObject({
      ...{ code: 'bad-gguf', message: expect.stringContaining('output_norm.weight is of type I32') },
    });
  });

  it('is no model in ONNX, and no encoder', async () => {
    await expect(open('hf:owner/name')).rejects.toMatchObject({ code: 'model-not-gguf' });
    await expect(open('tiny-encoder')).rejects.toMatchObject({ code: 'not-a-decoder' });
    await expect(
      open(write('lora.gguf', { ...fields, 'general.type': { string: 'adapter' } })),
    ).rejects.toMatchObject({
      ...{ code: 'not-a-decoder', message: expect.stringContaining('LoRA') },
    });
  });
});
