import { z } from 'zod';
import { parseRecipeWith, readRecipe, recipeIds } from '../recipe-files.js';

const size = z
  .int()
  .positive()
  .max(2 ** 24);
const tokenId = z.int().nonnegative();

/** The published shape of an encoder, without its weights: BERT's, with learned positions and post-norm. */
const encoderRecipeSchema = z
  .strictObject({
    id: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/i, 'letters, digits, dots, dashes and underscores only'),
    name: z.string().min(1),
    /** Source of the numbers. */
    source: z.string().min(1),
    architecture: z.literal('bert'),
    hiddenSize: size,
    layers: size,
    heads: size,
    intermediateSize: size,
    vocabulary: size,
    contextLength: size,
    /** Kinds of segments a token may belong to. */
    tokenTypes: size,
    normEpsilon: z.number().positive().max(1),
    padTokenId: tokenId,
    clsTokenId: tokenId,
    sepTokenId: tokenId,
  })
  .refine((recipe) => recipe.hiddenSize % recipe.heads === 0, 'hiddenSize must be a multiple of heads')
  .refine(
    ({ vocabulary, padTokenId, clsTokenId, sepTokenId }) =>
      [padTokenId, clsTokenId, sepTokenId].every((id) => id < vocabulary),
    'special tokens must lie within the vocabulary',
  )
  .refine(({ vocabulary }) => vocabulary >= 260, 'vocabulary must hold 256 bytes and the special tokens');
export type EncoderRecipe = z.infer<typeof encoderRecipeSchema>;

/** The head of an encoder: none, its vectors being pooled, or a classifier on the first token. */
export type EncoderHead = { kind: 'embedding' } | { kind: 'classification'; labels: number };

/** The shipped encoder of that id. Throws TokenworkError `unknown-model`, naming the nearest id. */
export async function loadEncoderRecipe(id: string): Promise<EncoderRecipe> {
  const { content, path } = await readRecipe(id, 'encoder');
  return parseRecipeWith(encoderRecipeSchema, content, path, 'bad-recipe', 'encoder');
}

/** Every shipped encoder, smallest first. */
export async function listEncoderRecipes(): Promise<EncoderRecipe[]> {
  const recipes = await Promise.all((await recipeIds('encoder')).map(loadEncoderRecipe));
  const embedding = { kind: 'embedding' } as const;
  return recipes.sort((a, b) => encoderParameters(a, embedding) - encoderParameters(b, embedding));
}

/** Trained parameters of the shape under a head; a classifier comes with BERT's pooler. */
export function encoderParameters(recipe: EncoderRecipe, head: EncoderHead): number {
  const { hiddenSize: hidden, layers, intermediateSize, vocabulary, contextLength, tokenTypes } = recipe;
  const norm = 2 * hidden;
  const embeddings = (vocabulary + contextLength + tokenTypes) * hidden + norm;
  const projection = hidden * hidden + hidden;
  const feedForward = 2 * hidden * intermediateSize + intermediateSize + hidden;
  const classifier = head.kind === 'embedding' ? 0 : projection + hidden * head.labels + head.labels;
  return embeddings + layers * (4 * projection + feedForward + 2 * norm) + classifier;
}
