import { TokenworkError } from '../../core/errors.js';
import type { Recipe } from '../recipe.js';

/**
 * How a decoder's graph is written, its attention above all: `contrib`, ops of ONNX Runtime, whose KV cache
 * grows in place; `standard`, the ONNX standard's own Attention, which every runtime may have; `primitive`,
 * attention spelled out in matrix products, which every provider runs on its own device.
 */
export const graphVariants = ['contrib', 'standard', 'primitive'] as const;
export type GraphVariant = (typeof graphVariants)[number];

/** Those that can express the recipe. */
export function graphVariantsOf(recipe: Recipe): GraphVariant[] {
  return graphVariants.filter((graphVariant) => problemOf(recipe, graphVariant) === null);
}

/** Contrib, unless the recipe's heads have a size its attention kernel refuses. */
export function defaultGraphVariant(recipe: Recipe): GraphVariant {
  return graphVariantsOf(recipe).find((graphVariant) => graphVariant !== 'primitive') ?? 'primitive';
}

/** Throws TokenworkError `graph-variant-unsupported` where the graph variant's ops cannot express the recipe. */
export function requireGraphVariant(recipe: Recipe, graphVariant: GraphVariant): void {
  const problem = problemOf(recipe, graphVariant);
  if (problem === null) return;
  const other = defaultGraphVariant(recipe);
  throw new TokenworkError(
    'graph-variant-unsupported',
    `${recipe.name} cannot be built in the ${graphVariant} graph variant: ${problem}.`,
    `Build it in the ${other} graph variant.`,
  );
}

function problemOf(recipe: Recipe, graphVariant: GraphVariant): string | null {
  if (graphVariant === 'primitive') return null;
  if (graphVariant === 'standard') {
    return recipe.mixture ? 'no standard op runs only the chosen experts of a mixture' : null;
  }
  const multiple = recipe.ropeTheta === null ? 8 : 16;
  return recipe.headDim % multiple === 0
    ? null
    : `its head size ${recipe.headDim} is no multiple of ${multiple}, as GroupQueryAttention requires`;
}
