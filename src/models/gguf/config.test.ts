import { expect, it } from 'vitest';
import { countedShapeOf } from '../counted-config.js';
import { configOfGguf } from './config.js';
import type { GgufModel } from './read.js';

/** Windows of the layers of a Gemma 3 whose metadata also has `fields`. */
function windowsWith(fields: Record<string, unknown>): (number | null)[] {
  const own = {
    ...{ block_count: 6, embedding_length: 64, feed_forward_length: 96, context_length: 128 },
    ...{ 'attention.head_count': 4, 'attention.head_count_kv': 2, 'attention.key_length': 16 },
    ...{ 'attention.sliding_window': 32, ...fields },
  };
  const model: GgufModel = {
    ...{ id: 'g', architecture: 'gemma3', tokens: null, paths: [], repeatsEmbeddings: false },
    metadata: new Map(Object.entries(own).map(([key, value]) => [`gemma3.${key}`, value])),
    tensors: [
      {
        name: 'token_embd.weight',
        shape: [64, 300],
        elements: 19_200,
        type: 'F16',
        bytes: 38_400,
        path: '',
        offset: 0,
      },
    ],
  };
  const { layers } = countedShapeOf(configOfGguf(model), 'g')!;
  return layers.map(({ attention }) => (attention.kind === 'grouped' ? attention.window : null));
}

it('the layers of a GGUF model that slide are those that its metadata names, or its architecture', () => {
  expect(windowsWith({})).toEqual([32, 32, 32, 32, 32, null]);
  expect(windowsWith({ 'attention.sliding_window_pattern': 2 })).toEqual([32, null, 32, null, 32, null]);
  const flags = [true, false, true, true, true, false];
  expect(windowsWith({ 'attention.sliding_window_pattern': flags })).toEqual(
    flags.map((slides) => (slides ? 32 : null)),
  );
});
