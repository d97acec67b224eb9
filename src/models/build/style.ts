import { TokenworkError } from '../../core/errors.js';
import type { Recipe } from '../recipe.js';

/**
 * How a decoder's graph is written, its attention above all: `contrib`, ops of ONNX Runtime, whose KV cache
 * grows in place; `standard`, the ONNX standard's own Attention, which every runtime may have; `primitive`,
 * attention spelled out in matrix products, which every provider runs on its own device.
 */
export const styles = ['contrib', 'standard', 'primitive'] as const;
export type Style = (typeof styles)[number];

/** Those that can express the recipe. */
export function stylesOf(recipe: Recipe): Style[] {
  return styles.filter((style) => problemOf(recipe, style) === null);
}

/** Contrib, unless the recipe's heads have a size its attention kernel refuses. */
export function defaultStyle(recipe: Recipe): Style {
  return stylesOf(recipe).find((style) => style !== 'primitive') ?? 'primitive';
}

/** Throws TokenworkError `style-unsupported` where the style's ops cannot express the recipe. */
export function requireStyle(recipe: Recipe, style: Style): void {
  const problem = problemOf(recipe, style);
  if (problem === null) return;
  const other = defaultStyle(recipe);
  throw new TokenworkError(
    'style-unsupported',
    `${recipe.name} cannot be built in the ${style} style: ${problem}.`,
    `Build it in the ${other} style.`,
  );
}

function problemOf(recipe: Recipe, style: Style): string | null {
  if (style === 'primitive') return null;
  if (style === 'standard') {
    return recipe.mixture ? 'no standard op runs only the chosen experts of a mixture' : null;
  }
  const multiple = recipe.ropeTheta === null ? 8 : 16;
  return recipe.headDim % multiple === 0
    ? null
    : `its head size ${recipe.headDim} is no multiple of ${multiple}, as GroupQueryAttention requires`;
}
