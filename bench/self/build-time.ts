import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildModel } from '#tokenwork/models/build/build-model.js';
import { loadRecipe } from '#tokenwork/models/recipe.js';
import { summarise } from './alternate.js';
import { secondsOf } from './decoding.js';
import type { Figure } from './figure.js';

export const buildTime: Figure = {
  id: 'build-time',
  what: 'building SmolLM2-135M q4, seconds',
  target: 3,
  comparison: '<=',
  async measure() {
    const recipe = await loadRecipe('smollm2-135m');
    const seconds: number[] = [];
    for (let round = 0; round < 3; round++) {
      const cacheDirectory = await mkdtemp(join(tmpdir(), 'tokenwork-build-'));
      seconds.push(await secondsOf(() => buildModel(recipe, { dtype: 'q4', cacheDirectory })));
      await rm(cacheDirectory, { recursive: true });
    }
    return summarise(seconds);
  },
};
