import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { loadRecipe } from '../../recipe.js';
import { dtypes, expectCostsOfGraph, writtenRecipes } from './costs.test-support.js';

const cacheDirectory = mkdtempSync(join(tmpdir(), 'tokenwork-gguf-costs-'));
afterAll(() => rmSync(cacheDirectory, { recursive: true }));

describe.each(dtypes)('as GGUF in %s', (dtype) => {
  it.each(writtenRecipes)('a recipe costs what its ONNX graph costs: $architecture', (recipe) =>
    expectCostsOfGraph(recipe, dtype, cacheDirectory),
  );

  // Larger ones are of the same architectures.
  it.each(['tiny', 'tiny-moe', ...(dtype === 'q4' ? ['small-moe'] : [])])(
    'a shipped recipe costs what its ONNX graph costs: %s',
    async (id) => expectCostsOfGraph(await loadRecipe(id), dtype, cacheDirectory),
  );
});
