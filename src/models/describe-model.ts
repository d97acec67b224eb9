import type { ErrorCode, Warning } from '../core/codes.js';
import type { CostModel } from '../core/cost.js';
import { TokenworkError } from '../core/errors.js';
import { buildGraph } from './build/build-graph.js';
import { buildCountedGraph } from './build/counted-decoder.js';
import { buildEncoderGraph } from './build/encoder/build.js';
import { defaultGraphVariant } from './build/graph-variant.js';
import { cacheDirectory } from './cache-directory.js';
import { deriveCostYielding, deriveEncoderCostYielding } from './cost/derive-cost.js';
import { type DecoderGraph, describeDecoder } from './decoder-graph.js';
import { describeEncoder, type EncoderGraph } from './encoder/graph.js';
import { readConfig, tiedEmbeddingsOf } from './folder.js';
import { describeGguf } from './gguf/describe.js';
import { downloadGguf } from './hub/gguf.js';
import { downloadRepo } from './hub/repository.js';
import type { ModelProto } from './onnx/proto.js';
import { readModel } from './onnx/read-model.js';
import { chooseOnnxFile, listOnnxFiles } from './onnx-file.js';
import type { Recipe } from './recipe.js';
import { defaultBuildDtype, locateModel, type ResolveOptions } from './resolve.js';

/** A model's graph and what it costs, without its weights. */
export interface ModelDescription {
  id: string;
  /** Null for an ONNX file by itself. */
  dtype: string | null;
  graph: ModelProto;
  /** Null where the graph is no decoder with a KV cache. */
  decoder: DecoderGraph | null;
  /** Null where the graph is no encoder of texts either; then `cost` is null too. */
  encoder: EncoderGraph | null;
  cost: CostModel | null;
  /** Notices of what was decided on the way, such as weights that were not there. */
  notices: Warning[];
}

interface DescribeOptions extends ResolveOptions {
  /** `last`: a shape is counted with the logits of each row's last position alone, as servers compute them. */
  logits?: 'last' | undefined;
}

/**
 * Describes the model a spec names, as `resolveModel` reads it, from its graph alone: a recipe of any size
 * takes no weights and no disk. The path of any .onnx or .gguf file is accepted too.
 * Throws TokenworkError as `resolveModel` does, save that a lone .onnx file need not be a decoder.
 */
export async function describeModel(spec: string, options: DescribeOptions = {}): Promise<ModelDescription> {
  const located = await locateModel(spec);
  const keepsLast = options.logits === 'last';
  switch (located.kind) {
    case 'recipe': {
      const { recipe, notices } = located;
      const kept: Recipe = keepsLast ? { ...recipe, logits: 'on-demand' } : recipe;
      return { ...(await describeRecipe(kept, options)), notices };
    }
    case 'counted': {
      const { id, shape, notices } = located;
      const { dtype = defaultBuildDtype } = options;
      const graph = buildCountedGraph(id, shape, dtype, { keepsEarly: keepsLast });
      const roles = await rolesOf(graph, { tiedEmbeddings: shape.tiedEmbeddings, signal: options.signal });
      return { id, dtype, graph, notices, ...roles };
    }
    case 'encoder': {
      const { dtype = defaultBuildDtype } = options;
      const graph = buildEncoderGraph(located.recipe, { dtype, weights: false });
      return { id: located.recipe.id, dtype, graph, notices: [], ...(await rolesOf(graph, options)) };
    }
    case 'folder':
      return describeFolder(located.directory, spec, options);
    case 'hub': {
      const download = { ...options, cacheDirectory: options.cacheDirectory ?? cacheDirectory() };
      const { directory, dtype } = await downloadRepo(spec, download);
      return describeFolder(directory, located.repo, { ...options, dtype });
    }
    case 'gguf': {
      const { path, id } = located;
      return { ...(await describeGguf(path, { id, signal: options.signal })), encoder: null, notices: [] };
    }
    case 'hub-gguf': {
      const download = { ...options, cacheDirectory: options.cacheDirectory ?? cacheDirectory() };
      const path = await downloadGguf(spec, download);
      const described = await describeGguf(path, { id: located.id, signal: options.signal });
      return { ...described, encoder: null, notices: [] };
    }
    case 'onnx':
      return describeFile(located.path, spec, options);
  }
}

async function describeRecipe(recipe: Recipe, options: ResolveOptions): Promise<ModelDescription> {
  const { dtype = defaultBuildDtype, graphVariant = defaultGraphVariant(recipe), seed = 1 } = options;
  const graph = buildGraph(recipe, { dtype, graphVariant, seed, weights: false });
  const decoder = describeDecoder(graph);
  const { tiedEmbeddings } = recipe;
  const cost = await deriveCostYielding(graph, decoder, { tiedEmbeddings, signal: options.signal });
  return { id: recipe.id, dtype, graph, decoder, encoder: null, cost, notices: [] };
}

async function describeFolder(
  directory: string,
  id: string,
  { dtype, signal }: { dtype?: string | undefined; signal?: AbortSignal | undefined },
): Promise<ModelDescription> {
  const config = await readConfig(directory);
  const files = await listOnnxFiles(directory);
  const file = await chooseOnnxFile(directory, files, dtype);
  const graph = await readModel(file.path);
  const roles = await rolesOf(graph, { ...tiedEmbeddingsOf(config), signal });
  // What is neither is told why it is no decoder.
  if (roles.cost === null) describeDecoder(graph);
  return { id, dtype: file.dtype, graph, notices: [], ...roles };
}

async function describeFile(path: string, id: string, { signal }: ResolveOptions): Promise<ModelDescription> {
  const graph = await readModel(path);
  return { id, dtype: null, graph, notices: [], ...(await rolesOf(graph, { signal })) };
}

/** Roles that the graph can be run in, with their costs. */
async function rolesOf(
  graph: ModelProto,
  options: { tiedEmbeddings?: boolean; signal?: AbortSignal | undefined },
): Promise<Pick<ModelDescription, 'decoder' | 'encoder' | 'cost'>> {
  const decoder = unless('not-a-decoder', () => describeDecoder(graph));
  if (decoder) return { decoder, encoder: null, cost: await deriveCostYielding(graph, decoder, options) };
  const encoder = unless('not-an-encoder', () => describeEncoder(graph));
  const cost = encoder && (await deriveEncoderCostYielding(graph, encoder, options.signal));
  return { decoder, encoder, cost };
}

/** Returns what `describe` says; null where it refuses with that code. */
function unless<Graph>(code: ErrorCode, describe: () => Graph): Graph | null {
  try {
    return describe();
  } catch (thrown) {
    if (thrown instanceof TokenworkError && thrown.code === code) return null;
    throw thrown;
  }
}
