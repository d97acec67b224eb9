/** What a recipe's GGUF file costs, held against its ONNX graph. Imported by tests only. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { type CostModel, flopsOf } from '../../../core/cost.js';
import { deriveCost } from '../../cost/derive-cost.js';
import { describeDecoder } from '../../decoder-graph.js';
import type { Dtype } from '../../dtype.js';
import { describeGguf } from '../../gguf/describe.js';
import type { Recipe } from '../../recipe.js';
import { buildGraph } from '../build-graph.js';
import { defaultGraphVariant } from '../graph-variant.js';
import { smallRecipes } from '../shapes.test-support.js';
import { buildGguf, ggufFileName } from './build.js';

export const dtypes = ['fp16', 'int8', 'q4'] as const;

const { qwen2_moe } = smallRecipes;
/** The small recipes; of Qwen2's mixture as llama.cpp computes it. */
export const writtenRecipes = Object.values({
  ...smallRecipes,
  qwen2_moe: { ...qwen2_moe, mixture: { ...qwen2_moe.mixture!, normaliseRouting: false } },
});

/**
 * Operations of the written file, all logits kept, are those of the recipe's graph in fp32; its matrix products those in
 * its own dtype too.
 */
export async function expectCostsOfGraph(
  recipe: Recipe,
  dtype: Dtype,
  cacheDirectory: string,
): Promise<void> {
  const path = join(await buildGguf(recipe, { dtype, cacheDirectory }), ggufFileName);
  const { cost, costOfAllLogits } = await describeGguf(path);
  const exact = ofGraph(recipe, 'fp32');
  expect(costOfAllLogits.flops).toEqual(exact.flops);
  expect(cost.parameters).toBe(exact.parameters);
  expect(cost.kvBytesPerToken).toBe(exact.kvBytesPerToken / 2);
  expect(cost.notCounted).toBeUndefined();
  for (const step of [
    { batch: 1, newTokens: 128, pastTokens: 0 },
    { batch: 3, newTokens: 1, pastTokens: 77 },
  ]) {
    const all = flopsOf(ofGraph(recipe, dtype), step).matmul;
    expect(flopsOf(costOfAllLogits, step).matmul).toBe(all);
    // llama.cpp's last feed-forward and head compute each row's last position alone.
    const left = step.batch * (step.newTokens - 1);
    expect(flopsOf(cost, step).matmul).toBe(all - left * (feedForwardFlops(recipe) + headFlops(recipe)));
  }
}

function headFlops({ hiddenSize, vocabulary }: Recipe): number {
  return 2 * hiddenSize * vocabulary;
}

/** Of one position in one layer. */
function feedForwardFlops({ architecture, hiddenSize, intermediateSize, mixture }: Recipe): number {
  if (mixture === null) return 2 * (architecture === 'gpt2' ? 2 : 3) * hiddenSize * intermediateSize;
  const { experts, expertsPerToken, expertSize, sharedExpertSize } = mixture;
  const shared = sharedExpertSize > 0 ? 3 * sharedExpertSize + 1 : 0;
  return 2 * hiddenSize * (experts + 3 * expertsPerToken * expertSize + shared);
}

function ofGraph(recipe: Recipe, dtype: Dtype): CostModel {
  const graphVariant = defaultGraphVariant(recipe);
  const graph = buildGraph(recipe, { dtype, graphVariant, seed: 1, weights: false });
  return deriveCost(graph, describeDecoder(graph), {
    ...{ tiedEmbeddings: recipe.tiedEmbeddings, logits: 'all' },
  });
}
