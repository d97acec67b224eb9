import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AutoModelForCausalLM, AutoTokenizer, env, pipeline, type Tensor } from '@huggingface/transformers';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Dtype } from '../dtype.js';
import { loadRecipe, type Recipe } from '../recipe.js';
import { buildModel } from './build-model.js';
import { largeRecipe, smallRecipes } from './shapes.test-support.js';

env.allowRemoteModels = false;

let cache: string;
beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), 'tokenwork-transformers-'));
});
afterAll(() => rm(cache, { recursive: true, force: true }));

const folderOf = (recipe: Recipe, dtype: Dtype) => buildModel(recipe, { dtype, cacheDirectory: cache });

const kinds: [string, Recipe, Dtype][] = [
  ['tiny', await loadRecipe('tiny'), 'fp32'],
  ['tiny', await loadRecipe('tiny'), 'fp16'],
  ['tiny', await loadRecipe('tiny'), 'int8'],
  ['tiny', await loadRecipe('tiny'), 'q4'],
  ['tiny-moe', await loadRecipe('tiny-moe'), 'fp32'],
  ['tiny-moe', await loadRecipe('tiny-moe'), 'q4'],
  ...Object.values(smallRecipes).map((recipe): [string, Recipe, Dtype] => [
    recipe.architecture,
    recipe,
    'fp32',
  ]),
  ['logits on demand', { ...smallRecipes.qwen2, logits: 'on-demand' }, 'fp32'],
  ['external data', largeRecipe, 'fp32'],
];

describe('transformers.js, given a built folder and nothing else', () => {
  it.each(kinds)('loads %s and generates from it (%#)', async (_name, recipe, dtype) => {
    const folder = await folderOf(recipe, dtype);
    const model = await AutoModelForCausalLM.from_pretrained(folder, { dtype });
    const tokenizer = await AutoTokenizer.from_pretrained(folder);
    const prompt = tokenizer('Hello world, how much work is a token?');
    const generated = (await model.generate({ ...prompt, max_new_tokens: 6, min_new_tokens: 6 })) as Tensor;
    expect(generated.dims).toEqual([1, prompt.input_ids.dims[1] + 6]);
    for (const id of generated.data as BigInt64Array) expect(Number(id)).toBeLessThan(recipe.vocabulary);
    await model.dispose();
  });

  it('generates text with the pipeline', async () => {
    const generate = await pipeline('text-generation', await folderOf(await loadRecipe('tiny'), 'q4'), {
      dtype: 'q4',
    });
    const [output] = await generate('Once upon a time', { max_new_tokens: 8, min_new_tokens: 8 });
    const { generated_text } = output as { generated_text: string };
    expect(generated_text.startsWith('Once upon a time')).toBe(true);
    expect(generated_text.length).toBeGreaterThan('Once upon a time'.length);
    await generate.dispose();
  });
});

describe('the tokenizer of a built folder', () => {
  it('gives any text back from its ids', async () => {
    const tokenizer = await AutoTokenizer.from_pretrained(await folderOf(await loadRecipe('tiny'), 'q4'));
    const texts = ['안녕하세요, 세계! 你好。 Grüße 🎉\n\n\tdef f(x):\r\n  return x**2', ' '];
    for (const text of texts) expect(roundTrip(text)).toBe(text);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), (text) => {
        expect(roundTrip(text)).toBe(text);
      }),
    );

    function roundTrip(text: string): string {
      return tokenizer.decode(tokenizer.encode(text), { skip_special_tokens: false });
    }
  });

  it('spends fewer tokens on ordinary English than on its bytes', async () => {
    const tokenizer = await AutoTokenizer.from_pretrained(await folderOf(await loadRecipe('tiny'), 'q4'));
    const text = 'The work of a model is not the number of tokens that you read on the bill.';
    expect(tokenizer.encode(text).length).toBeLessThan(text.length / 2);
  });

  it('knows the ends the recipe names', async () => {
    const recipe = smallRecipes.llama;
    const tokenizer = await AutoTokenizer.from_pretrained(await folderOf(recipe, 'fp32'));
    expect(tokenizer.convert_tokens_to_ids([tokenizer.eos_token])).toEqual(recipe.eosTokenIds);
  });
});
