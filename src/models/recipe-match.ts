import { listRecipes, type Recipe } from './recipe.js';

/** Parts of a repository's name that say how a model was trained or stored, not what shape it has. */
const shapeless =
  /[-_.](instruct|chat|base|it|hf|onnx|gguf|web|fp16|fp32|int8|q4|q4f16|quantized|distill|sft|dpo|v\d+(\.\d+)*)(?=[-_.]|$)/gi;

/**
 * The shipped recipe with the shape of a published repository, judged by the names alone (`owner/name`;
 * fine-tunes and ONNX exports keep the name of the shape); null where none is known.
 */
export async function recipeOfRepo(repo: string): Promise<Recipe | null> {
  const wanted = shapeName(repo);
  const recipes = await listRecipes();
  return recipes.find((recipe) => namesOf(recipe).some((name) => shapeName(name) === wanted)) ?? null;
}

function namesOf(recipe: Recipe): string[] {
  const repo = /^https?:\/\/[^/]+\/([^/]+\/[^/]+)/.exec(recipe.source)?.[1];
  return [recipe.id, recipe.name.replaceAll(' ', '-'), ...(repo === undefined ? [] : [repo])];
}

function shapeName(repo: string): string {
  const name = repo.slice(repo.lastIndexOf('/') + 1);
  return name
    .replace(shapeless, '')
    .replace(/^meta-/i, '')
    .replace(/[^a-z0-9]/gi, '')
    .toLowerCase();
}
