import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildModel } from '../../models/build/build-model.js';
import { modelCache } from '../../models/cache.test-support.js';
import { describeDecoder } from '../../models/decoder-graph.js';
import { onnxFileName } from '../../models/dtype.js';
import { decodeModel } from '../../models/onnx/proto.js';
import { loadRecipe } from '../../models/recipe.js';
import { openDecoder } from './open-decoder.js';

/** Ids spread over a vocabulary, the same for the same arguments. */
function ids(count: number, vocabulary: number, salt = 0): BigInt64Array {
  return BigInt64Array.from({ length: count }, (_, i) => BigInt(((i + salt + 1) * 131) % vocabulary));
}

describe('the native back end', () => {
  it('gives its memory back, over hundreds of decoders and thousands of steps', async () => {
    const folder = await buildModel(await loadRecipe('tiny'), {
      ...{ dtype: 'fp32', graphVariant: 'standard', cacheDirectory: modelCache },
    });
    const onnxPath = join(folder, 'onnx', onnxFileName('fp32'));
    const decoder = describeDecoder(decodeModel(readFileSync(onnxPath)));
    const model = { onnxPath, decoder, contextLength: 128 };
    const cycle = async (decoders: number, steps: number) => {
      for (let i = 0; i < decoders; i++) {
        const opened = await openDecoder(model, { threads: 1, backend: 'native' });
        const sequence = opened.open({ batch: 1, capacity: 128 });
        await sequence.step(ids(64, opened.vocabulary));
        for (let j = 0; j < steps; j++) {
          await sequence.step(ids(1, opened.vocabulary, j));
          sequence.truncate(64);
        }
        sequence.close();
        opened.close();
      }
    };
    await cycle(20, 10);
    const before = process.memoryUsage.rss();
    await cycle(200, 20);
    // The model is a few MB: keeping a hundredth of the decoders would show.
    const fileBytes = readFileSync(model.onnxPath).length;
    expect(fileBytes * 200).toBeGreaterThan(300e6);
    expect(process.memoryUsage.rss() - before).toBeLessThan(60e6);
  });
});
