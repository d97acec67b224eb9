/**
 * models/ knows what a model is: shape recipes, ONNX graphs written and read, FLOP and byte counts,
 * and model folders. A recipe is the published shape of a decoder, without its weights.
 */

import { z } from 'zod';
import type { ErrorCode } from '../core/codes.js';
import { parseRecipeWith, readRecipe, recipeIds } from './recipe-files.js';

/** Architectures the builder can write, by their Hugging Face `model_type`. */
const architectures = [
  'llama',
  'mistral',
  'qwen2',
  'qwen3',
  'gpt2',
  'mixtral',
  'olmoe',
  'qwen2_moe',
  'qwen3_moe',
] as const;

const size = z
  .int()
  .positive()
  .max(2 ** 24);

const mixtureSchema = z.strictObject({
  experts: size,
  expertsPerToken: size,
  /** Width of one expert. */
  expertSize: size,
  /** Whether the chosen experts' routing weights are scaled to sum to 1. */
  normaliseRouting: z.boolean(),
  /** Width of the expert every token passes, beside the routed ones; 0 where there is none. */
  sharedExpertSize: z.int().nonnegative().default(0),
});

export const recipeSchema = z
  .strictObject({
    id: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/i, 'letters, digits, dots, dashes and underscores only'),
    name: z.string().min(1),
    /** Source of the numbers. */
    source: z.string().min(1),
    architecture: z.enum(architectures),
    hiddenSize: size,
    /** The deepest published decoder has 126. */
    layers: z.int().positive().max(4096),
    heads: size,
    kvHeads: size,
    headDim: size,
    /** Width of the dense feed-forward; unused where every layer is a mixture. */
    intermediateSize: size,
    vocabulary: size,
    contextLength: size,
    normEpsilon: z.number().positive().max(1),
    /** Base of the rotary frequencies; null where positions are learned. */
    ropeTheta: z.number().positive().nullable(),
    tiedEmbeddings: z.boolean(),
    /** Bias on the query, key and value projections. */
    qkvBias: z.boolean(),
    /** Bias on the attention's output projection. */
    outputBias: z.boolean(),
    /** Bias on the feed-forward's projections. */
    mlpBias: z.boolean(),
    /** RMS norm of queries and keys: over each head, over the whole projection, or not at all. */
    qkNorm: z.enum(['none', 'head', 'projection']),
    mixture: mixtureSchema.nullable(),
    /**
     * Positions whose logits the graph computes: all of them where absent; `on-demand`: so many of the last as its
     * input num_logits_to_keep says, as in published exports of large vocabularies.
     */
    logits: z.literal('on-demand').optional(),
    bosTokenId: z.int().nonnegative().nullable(),
    eosTokenIds: z.array(z.int().nonnegative()).min(1),
  })
  .refine((recipe) => recipe.heads % recipe.kvHeads === 0, 'heads must be a multiple of kvHeads')
  .refine((recipe) => recipe.architecture === 'gpt2' || recipe.headDim % 2 === 0, 'headDim must be even')
  .refine(
    (recipe) => (recipe.architecture === 'gpt2') === (recipe.ropeTheta === null),
    'ropeTheta is null for gpt2 and a number for every other architecture',
  )
  .refine(
    ({ mixture }) => mixture === null || mixture.expertsPerToken <= mixture.experts,
    'expertsPerToken must not exceed experts',
  )
  .refine(
    ({ vocabulary, bosTokenId, eosTokenIds }) =>
      [bosTokenId ?? 0, ...eosTokenIds].every((id) => id < vocabulary),
    'bosTokenId and eosTokenIds must lie within the vocabulary',
  )
  .refine(
    ({ mixture, hiddenSize }) => mixture === null || (hiddenSize % 2 === 0 && mixture.expertSize % 2 === 0),
    'hiddenSize and expertSize of a mixture must be even',
  )
  .refine(({ mixture, mlpBias }) => mixture === null || !mlpBias, 'a mixture has no feed-forward bias')
  .refine(({ vocabulary }) => vocabulary >= 260, 'vocabulary must hold 256 bytes and the special tokens');
export type Recipe = z.infer<typeof recipeSchema>;
export type Mixture = z.infer<typeof mixtureSchema>;

/** The shipped decoder of that id. Throws TokenworkError `unknown-model`, naming the nearest id. */
export async function loadRecipe(id: string): Promise<Recipe> {
  const { content, path } = await readRecipe(id, 'decoder');
  return parseRecipe(content, path, 'bad-recipe');
}

/** Every shipped decoder, smallest first. */
export async function listRecipes(): Promise<Recipe[]> {
  const recipes = await Promise.all((await recipeIds('decoder')).map(loadRecipe));
  return recipes.sort((a, b) => parameterCount(a) - parameterCount(b));
}

/** Trained parameters of the shape, tied embeddings counted once. */
export function parameterCount(recipe: Recipe): number {
  const { hiddenSize: hidden, vocabulary, heads, kvHeads, headDim, mixture } = recipe;
  const learnedPositions = recipe.ropeTheta === null;
  const queries = heads * headDim;
  const keys = kvHeads * headDim;
  const norm = recipe.architecture === 'gpt2' ? 2 * hidden : hidden;

  let layer = hidden * (queries + 2 * keys) + queries * hidden + 2 * norm;
  if (recipe.qkvBias) layer += queries + 2 * keys;
  if (recipe.outputBias) layer += hidden;
  if (recipe.qkNorm === 'head') layer += 2 * headDim;
  if (recipe.qkNorm === 'projection') layer += queries + keys;
  if (mixture) {
    layer += hidden * mixture.experts + mixture.experts * 3 * hidden * mixture.expertSize;
    if (mixture.sharedExpertSize > 0) layer += 3 * hidden * mixture.sharedExpertSize + hidden;
  } else if (recipe.architecture === 'gpt2') {
    layer += 2 * hidden * recipe.intermediateSize;
    if (recipe.mlpBias) layer += recipe.intermediateSize + hidden;
  } else {
    layer += 3 * hidden * recipe.intermediateSize;
    if (recipe.mlpBias) layer += 2 * recipe.intermediateSize + hidden;
  }

  const embeddings = vocabulary * hidden * (recipe.tiedEmbeddings ? 1 : 2);
  return embeddings + (learnedPositions ? recipe.contextLength * hidden : 0) + recipe.layers * layer + norm;
}

/** The recipe in `content`. Throws TokenworkError `code`, which calls it `what` and names the field. */
export function parseRecipe(content: unknown, what: string, code: ErrorCode): Recipe {
  return parseRecipeWith(recipeSchema, content, what, code, 'decoder');
}
