import { describe, expect, it } from 'vitest';
import { listRecipes, loadRecipe, parameterCount } from './recipe.js';

describe('shipped recipes', () => {
  // Published counts (model cards, and the closed forms in the papers' appendices).
  it.each([
    ['llama-2-7b', 6_738_415_616],
    ['llama-3-8b', 8_030_261_248],
    ['tinyllama-1.1b', 1_100_048_384],
    ['smollm2-135m', 134_515_008],
    ['gpt2-124m', 124_439_808],
    ['llama-3.2-1b', 1_235_814_400],
    ['qwen2.5-0.5b', 494_032_768],
    ['qwen2.5-7b', 7_615_616_512],
    ['olmoe-1b-7b', 6_919_161_856],
  ])('%s has %i parameters', async (id, parameters) => {
    expect(parameterCount(await loadRecipe(id))).toBe(parameters);
  });

  it('the CI models have 1 to 5 million parameters', async () => {
    for (const id of ['tiny', 'tiny-moe']) {
      const parameters = parameterCount(await loadRecipe(id));
      expect(parameters).toBeGreaterThan(1e6);
      expect(parameters).toBeLessThan(5e6);
    }
  });

  it('are listed smallest first, each under the id its file is named by', async () => {
    const recipes = await listRecipes();
    const counts = recipes.map(parameterCount);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    for (const { id } of recipes) expect((await loadRecipe(id)).id).toBe(id);
  });

  it('an unknown id is answered with the nearest one', async () => {
    await expect(loadRecipe('smolm2-135m')).rejects.toMatchObject({
      code: 'unknown-model',
      hint: expect.stringContaining('"smollm2-135m"'),
    });
  });
});
