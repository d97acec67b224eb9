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

/** Operations of the written file are those of the recipe's graph in fp32; its matrix products those in its own dtype too. */
export async function expectCostsOfGraph(
  recipe: Recipe,
  dtype: Dtype,
  cacheDirectory: string,
): Promise<void> {
  const { cost } = await describeGguf(join(await buildGguf(recipe, { dtype, cacheDirectory }), ggufFileName));
  const exact = ofGraph(recipe, 'fp32');
  expect(cost.flops).toEqual(exact.flops);
  expect(cost.parameters).toBe(exact.parameters);
  expect(cost.kvBytesPerToken).toBe(exact.kvBytesPerToken / 2);
  expect(cost.notCounted).toBeUndefined();
  for (const step of [
    { batch: 1, newTokens: 128, pastTokens: 0 },
    { batch: 3, newTokens: 1, pastTokens: 77 },
  ])
    expect(flopsOf(cost, step).matmul).toBe(flopsOf(ofGraph(recipe, dtype), step).matmul);
}

function ofGraph(recipe: Recipe, dtype: Dtype): CostModel {
  const graphVariant = defaultGraphVariant(recipe);
  const graph = buildGraph(recipe, { dtype, graphVariant, seed: 1, weights: false });
  return deriveCost(graph, describeDecoder(graph), { tiedEmbeddings: recipe.tiedEmbeddings });
}
