import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildModel } from '../../models/build/build-model.js';
import { buildGguf } from '../../models/build/gguf/build.js';
import { writtenRecipes } from '../../models/build/gguf/costs.test-support.js';
import { openFolder } from '../../models/folder.js';
import { openGguf } from '../../models/gguf/open.js';
import { type CheckedSteps, runSteps } from '../checked-steps.js';
import type { Decoder } from '../engine.js';
import { openDecoder as openOnnx } from '../onnx/open-decoder.js';
import { LlamaDecoder } from './decoder.js';

const cacheDirectory = mkdtempSync(join(tmpdir(), 'tokenwork-engines-'));
afterAll(() => rmSync(cacheDirectory, { recursive: true }));

async function stepsOf(decoder: Decoder): Promise<CheckedSteps> {
  try {
    return await runSteps(decoder, { prefixCache: true }, undefined);
  } finally {
    decoder.close();
  }
}

/** Root mean square of the difference ÷ that of what is expected. */
function distance(found: Float32Array, expected: Float32Array): number {
  let apart = 0;
  let size = 0;
  for (const [i, value] of expected.entries()) {
    apart += (found[i]! - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(apart / size);
}

describe('the same seeded weights', () => {
  it.each(writtenRecipes.map((recipe) => [recipe.architecture, recipe] as const))(
    'of %s in fp16 have the same logits in both engines',
    async (_architecture, recipe) => {
      const gguf = await openGguf(
        join(await buildGguf(recipe, { dtype: 'fp16', cacheDirectory }), 'model.gguf'),
        { cacheDirectory },
      );
      const folder = await openFolder(await buildModel(recipe, { dtype: 'fp16', cacheDirectory }), {
        cacheDirectory,
        dtype: 'fp16',
      });
      const llama = await stepsOf(
        new LlamaDecoder(
          { ...gguf, kvBytesPerPosition: gguf.cost.kvBytesPerToken },
          { threads: 1, device: 'cpu' },
        ),
      );
      const onnx = await stepsOf(await openOnnx(folder, { threads: 1, backend: 'native' }));
      expect(llama.map(({ what }) => what)).toEqual(onnx.map(({ what }) => what));
      // Eleven bits of mantissa, through two layers of sums.
      for (const [index, { what, logits }] of llama.entries())
        expect(distance(logits, onnx[index]!.logits), what).toBeLessThan(0.005);
    },
  );
});
