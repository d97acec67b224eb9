import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { writtenRecipes } from '../../models/build/gguf/costs.test-support.js';
import { expectSameLogits } from './recipes.test-support.js';

const cacheDirectory = mkdtempSync(join(tmpdir(), 'tokenwork-engines-'));
afterAll(() => rmSync(cacheDirectory, { recursive: true }));

/** The other architectures are in recipes.slow.test.ts. */
describe('the same seeded weights in fp16', () => {
  it.each(writtenRecipes.filter((_, index) => index % 4 === 0))(
    'have the same logits in both engines: $architecture',
    (recipe) => expectSameLogits(recipe, cacheDirectory),
  );
});
