import type { CostModel } from '../../core/cost.js';
import { TokenworkError } from '../../core/errors.js';
import { buildEncoderGraph } from '../build/encoder/build.js';
import { deriveEncoderCostYielding } from '../cost/derive-cost.js';
import { describeEncoder } from '../encoder/graph.js';
import { type EncoderRecipe, encoderParameters } from '../encoder/recipe.js';
import { type LocalModel, notCountedNotice, type OpenOptions } from '../folder.js';
import { mainType } from './describe.js';
import { badGguf, type GgufModel, readGguf } from './read.js';
import { whyUnloadable } from './unloadable.js';

/** An embedding model in GGUF on this machine, ready to be run. */
export interface GgufEncoder
  extends Pick<LocalModel, 'id' | 'source' | 'dtype' | 'contextLength' | 'sha256' | 'cost' | 'notices'> {
  format: 'gguf';
  paths: string[];
  /** Whether the file says how positions become one vector; else their mean does. */
  poolsItself: boolean;
  /** The folder of a tokenizer.json that has the very tokens of the file; null: the vocabulary in the file alone. */
  tokenizerDirectory: string | null;
}

/** Architectures that read all of a text at once, as llama.cpp names them. */
const architectures = new Set(
  'bert modern-bert nomic-bert nomic-bert-moe neo-bert jina-bert-v2 jina-bert-v3 eurobert gemma-embedding'.split(
    ' ',
  ),
);
export const isEncoderArchitecture = (architecture: string): boolean => architectures.has(architecture);

/** `enum llama_pooling_type`: none, or a rank that a head gives. */
const [noPooling, rankPooling] = [0, 4];

/** The header's part of a `GgufEncoder`, with what `openGguf` reads of any file left out. */
export type EncoderHeader = Omit<GgufEncoder, 'sha256' | 'tokenizerDirectory' | 'source'>;

/**
 * Reads an embedding model's header; of BERT what a pass costs, by its shape and its tensors' bytes. Throws
 * TokenworkError as `readGguf` does, `not-an-encoder`, or `encoder-head` for one that ranks or classifies.
 */
export async function readGgufEncoder(
  path: string,
  options: Pick<OpenOptions, 'id' | 'signal'>,
): Promise<{ header: EncoderHeader; tokens: readonly string[] }> {
  const model = await readGguf(path, options.id);
  const { id, architecture, tensors, metadata, paths } = model;
  if (!isEncoderArchitecture(architecture))
    throw new TokenworkError(
      'not-an-encoder',
      `${path} is of architecture "${architecture}", which is no encoder of texts.`,
      `Encoders in GGUF are of: ${[...architectures].join(', ')}.`,
    );
  const problem = whyUnloadable(model);
  if (problem !== null) throw badGguf(path, problem);
  const pooling = metadata.get(`${architecture}.pooling_type`) ?? noPooling;
  if (pooling === rankPooling || tensors.some(({ name }) => /^cls\./.test(name)))
    throw new TokenworkError(
      'encoder-head',
      `${path} ranks or classifies texts, and of models in GGUF only those that embed are run.`,
      'Name an embedding model, or the model’s export in ONNX.',
    );
  const contextLength = Number(metadata.get(`${architecture}.context_length`) ?? 0);
  if (contextLength < 1)
    throw badGguf(path, `it does not say how long its context is (${architecture}.context_length)`);
  const cost = await costOf(model, options.signal);
  return {
    header: {
      ...{ format: 'gguf', id, paths, contextLength, cost },
      dtype: mainType(tensors),
      poolsItself: pooling !== noPooling,
      notices: notCountedNotice({ id, cost }),
    },
    tokens: model.tokens!,
  };
}

async function costOf(model: GgufModel, signal: AbortSignal | undefined): Promise<CostModel> {
  const { architecture, tensors } = model;
  const stored = tensors.reduce((sum, { elements }) => sum + elements, 0);
  const none = (notCounted: string): CostModel => ({
    flops: { matmul: [], executed: [], causal: [], elementwise: [] },
    bytes: { weights: [], kvRead: [], kvWritten: [], activations: [] },
    ...{ mixture: null, parameters: stored, kvBytesPerToken: 0, notCounted },
  });
  const recipe = architecture === 'bert' ? recipeOf(model) : null;
  if (recipe === null)
    return none(`${model.id} is of architecture "${architecture}", whose passes tokenwork cannot count`);
  const ofShape = encoderParameters(recipe, { kind: 'embedding' });
  if (ofShape !== stored)
    return none(`its tensors hold ${stored} parameters, and a BERT of its shape has ${ofShape}`);
  const graph = buildEncoderGraph(recipe, { dtype: 'fp32', weights: false });
  const cost = await deriveEncoderCostYielding(graph, describeEncoder(graph), signal);
  const bytes = (wanted: (name: string) => boolean, perRow = false) =>
    tensors
      .filter(({ name }) => wanted(name))
      .reduce((sum, tensor) => sum + tensor.bytes / (perRow ? (tensor.shape[1] ?? 1) : 1), 0);
  const once = { batch: 0, newTokens: 0, pastTokens: 0 };
  return {
    ...cost,
    parameters: stored,
    bytes: {
      ...cost.bytes,
      weights: [
        // All texts are of the first type, whose row is read once.
        { ...once, coefficient: bytes((name) => !gathered.test(name)) + bytes(ofTypes, true) },
        { batch: 1, newTokens: 1, pastTokens: 0, coefficient: bytes(ofTokens, true) },
      ],
    },
  };
}

/** Tables of which rows are read. */
const gathered = /^(?:token_embd|position_embd|token_types)\.weight$/;
const ofTypes = (name: string) => name === 'token_types.weight';
const ofTokens = (name: string) => gathered.test(name) && !ofTypes(name);

/** The shape as a recipe of an encoder has it; null where the metadata lacks a part of it. */
function recipeOf({ id, metadata, tensors }: GgufModel): EncoderRecipe | null {
  const number = (key: string) => Number(metadata.get(`bert.${key}`));
  const rows = (name: string) => tensors.find((tensor) => tensor.name === name)?.shape[1] ?? Number.NaN;
  const shape = {
    hiddenSize: number('embedding_length'),
    layers: number('block_count'),
    heads: number('attention.head_count'),
    intermediateSize: number('feed_forward_length'),
    vocabulary: rows('token_embd.weight'),
    contextLength: rows('position_embd.weight'),
    tokenTypes: rows('token_types.weight'),
  };
  const { hiddenSize, heads } = shape;
  if (!Object.values(shape).every((size) => Number.isSafeInteger(size) && size > 0)) return null;
  if (hiddenSize % heads !== 0) return null;
  return {
    ...{ id, name: id, source: 'metadata', architecture: 'bert', ...shape },
    normEpsilon: 1e-12,
    ...{ padTokenId: 0, clsTokenId: 1, sepTokenId: 2 },
  };
}
