/** The strongest test of both engines: the same weights through each. Imported by tests only. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { buildModel } from '../../models/build/build-model.js';
import { buildGguf } from '../../models/build/gguf/build.js';
import { openFolder } from '../../models/folder.js';
import { openGguf } from '../../models/gguf/open.js';
import type { Recipe } from '../../models/recipe.js';
import { type CheckedSteps, runSteps } from '../checked-steps.js';
import type { Decoder } from '../engine.js';
import { openDecoder as openOnnx } from '../onnx/open-decoder.js';
import { LlamaDecoder } from './decoder.js';

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

/** Expects the logits of a recipe in fp16 to be the same in both engines: prefill, decoding, cached and dropped positions. */
export async function expectSameLogits(recipe: Recipe, cacheDirectory: string): Promise<void> {
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
}
