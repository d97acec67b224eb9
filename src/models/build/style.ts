import { TokenworkError } from '../../core/errors.js';
import type { Recipe } from '../recipe.js';

/**
 * How a decoder's graph is written: contrib ops of ONNX Runtime, whose KV cache grows in place, or the
 * ONNX standard's own, which every runtime may have.
 */
export const styles = ['contrib', 'standard'] as const;
export type Style = (typeof styles)[number];

/** Contrib, unless the recipe's heads have a size its attention kernel refuses. */
export function defaultStyle(recipe: Recipe): Style {
  return problemOf(recipe, 'contrib') === null ? 'contrib' : 'standard';
}

/** Throws TokenworkError `style-unsupported` where the style's ops cannot express the recipe. */
export function requireStyle(recipe: Recipe, style: Style): void {
  const problem = problemOf(recipe, style);
  if (problem === null) return;
  const other = style === 'contrib' ? 'standard' : 'contrib';
  throw new TokenworkError(
    'style-unsupported',
    `${recipe.name} cannot be built in the ${style} style: ${problem}.`,
    problemOf(recipe, other) === null
      ? `Build it in the ${other} style.`
      : 'No style can express this shape; choose another model.',
  );
}

function problemOf(recipe: Recipe, style: Style): string | null {
  if (style === 'standard') {
    return recipe.mixture ? 'no standard op runs only the chosen experts of a mixture' : null;
  }
  const multiple = recipe.ropeTheta === null ? 8 : 16;
  return recipe.headDim % multiple === 0
    ? null
    : `its head size ${recipe.headDim} is no multiple of ${multiple}, as GroupQueryAttention requires`;
}
