import { type Recipe, recipeSchema } from '../recipe.js';

const llama = {
  id: 'small',
  name: 'Small',
  source: 'test',
  architecture: 'llama',
  hiddenSize: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  intermediateSize: 96,
  vocabulary: 300,
  contextLength: 64,
  normEpsilon: 1e-5,
  ropeTheta: 10_000,
  tiedEmbeddings: false,
  qkvBias: false,
  outputBias: false,
  mlpBias: false,
  qkNorm: 'none',
  mixture: null,
  bosTokenId: 0,
  eosTokenIds: [1],
};
const mixture = { experts: 4, expertsPerToken: 2, expertSize: 32, normaliseRouting: true };

/** A small recipe of every architecture, each with what is peculiar to it. */
export const smallRecipes: Record<Recipe['architecture'], Recipe> = {
  llama: small({}),
  mistral: small({ architecture: 'mistral', outputBias: true, qkvBias: true, mlpBias: true }),
  qwen2: small({ architecture: 'qwen2', tiedEmbeddings: true, qkvBias: true }),
  qwen3: small({ architecture: 'qwen3', qkNorm: 'head', headDim: 32 }),
  gpt2: small({
    architecture: 'gpt2',
    kvHeads: 4,
    ropeTheta: null,
    tiedEmbeddings: true,
    qkvBias: true,
    outputBias: true,
    mlpBias: true,
  }),
  mixtral: small({ architecture: 'mixtral', mixture }),
  olmoe: small({
    architecture: 'olmoe',
    kvHeads: 4,
    qkNorm: 'projection',
    mixture: { ...mixture, normaliseRouting: false },
  }),
  qwen2_moe: small({
    architecture: 'qwen2_moe',
    qkvBias: true,
    mixture: { ...mixture, sharedExpertSize: 48 },
  }),
  qwen3_moe: small({ architecture: 'qwen3_moe', qkNorm: 'head', tiedEmbeddings: true, mixture }),
};

/** Just above the size up to which weights stay inside the ONNX file, in fp32. */
export const largeRecipe: Recipe = {
  ...smallRecipes.llama,
  id: 'large',
  hiddenSize: 512,
  intermediateSize: 2048,
  layers: 6,
};

function small(changes: object): Recipe {
  return recipeSchema.parse({ ...llama, ...changes });
}
