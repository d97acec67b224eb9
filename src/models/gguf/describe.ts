import type { CostModel, Mixture, Polynomial } from '../../core/cost.js';
import { buildGraph } from '../build/build-graph.js';
import { buildCountedGraph } from '../build/counted-decoder.js';
import { defaultGraphVariant } from '../build/graph-variant.js';
import { deriveCostYielding } from '../cost/derive-cost.js';
import { countedShapeOf } from '../counted-config.js';
import { type DecoderGraph, describeDecoder } from '../decoder-graph.js';
import { recipeFromConfig } from '../hf-config.js';
import type { ModelProto } from '../onnx/proto.js';
import { configOfGguf } from './config.js';
import { type GgufModel, type GgufTensor, readGguf } from './read.js';

/** A GGUF model with the graph of its shape and what a pass costs. */
interface GgufDescription {
  id: string;
  /** The type that holds most of its bytes: `Q4_K`. */
  dtype: string;
  graph: ModelProto;
  decoder: DecoderGraph;
  /** Of a pass that keeps the logits of each row's last position. */
  cost: CostModel;
  costOfAllLogits: CostModel;
}

/**
 * Describes a GGUF file (or all parts of a split one) by its header: operations by the shape that its metadata names, with
 * activations in fp32 and a KV cache in fp16, which are llama.cpp's defaults; weights by the tensors themselves, each of
 * its own type. Where the tensors hold another number of parameters than the shape has, nothing is counted exactly.
 * Throws TokenworkError as `readGguf` does, `unsupported-architecture`, `bad-config` or `aborted`.
 */
export async function describeGguf(
  path: string,
  { id, signal }: { id?: string | undefined; signal?: AbortSignal | undefined } = {},
): Promise<GgufDescription> {
  return describeRead(await readGguf(path, id), signal);
}

/** The same of a header that has been read. */
export async function describeRead(model: GgufModel, signal?: AbortSignal): Promise<GgufDescription> {
  const { graph, tiedEmbeddings } = graphOf(model);
  const decoder = describeDecoder(graph);
  const costKeeping = async (logits: 'last' | 'all') =>
    costOf(
      await deriveCostYielding(graph, decoder, { tiedEmbeddings, logits, signal }),
      model,
      tiedEmbeddings,
    );
  return {
    id: model.id,
    dtype: mainType(model.tensors),
    graph,
    decoder,
    cost: await costKeeping('last'),
    costOfAllLogits: await costKeeping('all'),
  };
}

function graphOf(model: GgufModel): { graph: ModelProto; tiedEmbeddings: boolean } {
  // File names and the names of Ollama's may hold characters that a recipe's id may not.
  const id = model.id.replace(/[^a-z0-9._-]+/gi, '-').replace(/^[^a-z0-9]+/i, '') || 'model';
  const config = configOfGguf(model);
  const shape = countedShapeOf(config, id);
  // llama.cpp computes the logits that are asked for, and of the last layer's feed-forward as many positions.
  const keepsEarly = true;
  if (shape) {
    const graph = buildCountedGraph(id, shape, 'fp32', { keepsEarly });
    return { graph, tiedEmbeddings: shape.tiedEmbeddings };
  }
  const recipe = { ...recipeFromConfig(config, id), logits: 'on-demand' as const };
  const graphVariant = defaultGraphVariant(recipe);
  const graph = buildGraph(recipe, { dtype: 'fp32', graphVariant, seed: 1, weights: false, keepsEarly });
  return { graph, tiedEmbeddings: recipe.tiedEmbeddings };
}

/** Tokens that llama.cpp computes together at most, by default (n_ubatch). */
export const partTokens = 512;

/** Tables of rotary frequencies: no parameters of the model's shape, and too small to read of. */
const rotaryTables = new Set(['rope_freqs.weight', 'rope_factors_long.weight', 'rope_factors_short.weight']);
/** Read a row a token, and whole only where the output head is the same tensor. */
const gathered = new Set(['token_embd.weight', 'position_embd.weight']);
/** In one tensor of all experts, or in one each as older files have it. */
const expertsOnly = /^blk\.\d+\.ffn_(?:gate|up|down|gate_up)(?:_exps|\.\d+)\./;

/** The shape's operations with the tensors' bytes. */
function costOf(
  ofShape: CostModel,
  { tensors, repeatsEmbeddings }: GgufModel,
  tiedEmbeddings: boolean,
): CostModel {
  const stored = total(tensors, ({ name, elements }) => (rotaryTables.has(name) ? 0 : elements));
  const repeated = total(tensors, ({ name, elements }) =>
    repeatsEmbeddings && name === 'output.weight' ? elements : 0,
  );
  const { mixture, bytes } = ofShape;
  const ofExperts = ({ name }: GgufTensor) => mixture !== null && expertsOnly.test(name);
  const whole = (tensor: GgufTensor) =>
    !ofExperts(tensor) &&
    (!gathered.has(tensor.name) || (tiedEmbeddings && tensor.name === 'token_embd.weight'));
  const always = total(tensors, (tensor) => (whole(tensor) ? tensor.bytes : 0));
  const row = total(tensors, ({ name, shape, bytes: all }) =>
    gathered.has(name) ? all / (shape[1] ?? 1) : 0,
  );
  const head = tiedEmbeddings ? 'token_embd.weight' : 'output.weight';
  // No part but the last keeps logits.
  const headBytes = total(tensors, ({ name, bytes: own }) => (name === head ? own : 0));
  const wrong =
    stored !== ofShape.parameters &&
    `its tensors hold ${stored} parameters, and a decoder of its shape has ${ofShape.parameters}`;
  return {
    ...ofShape,
    parameters: stored - repeated,
    kvBytesPerToken: ofShape.kvBytesPerToken / 2,
    bytes: {
      ...bytes,
      weights: [
        { coefficient: always, batch: 0, newTokens: 0, pastTokens: 0 },
        { coefficient: row, batch: 1, newTokens: 1, pastTokens: 0 },
      ],
      kvRead: halved(bytes.kvRead),
      kvWritten: halved(bytes.kvWritten),
    },
    parts: { tokens: partTokens, weights: always - headBytes },
    mixture:
      mixture &&
      withBytes(
        mixture,
        total(tensors, (tensor) => (ofExperts(tensor) ? tensor.bytes : 0)),
      ),
    ...(wrong && { notCounted: wrong }),
  };
}

function withBytes(mixture: Mixture, bytes: number): Mixture {
  return { ...mixture, bytesPerExpert: bytes / (mixture.layers * mixture.experts) };
}

/** fp16 in place of fp32. */
function halved(polynomial: Polynomial): Polynomial {
  return polynomial.map((term) => ({ ...term, coefficient: term.coefficient / 2 }));
}

/** The type that most bytes of the tensors are in. */
export function mainType(tensors: readonly GgufTensor[]): string {
  const bytes = new Map<string, number>();
  for (const { type, bytes: own } of tensors) bytes.set(type, (bytes.get(type) ?? 0) + own);
  return [...bytes].sort(([, a], [, b]) => b - a)[0]?.[0] ?? 'F32';
}

function total(tensors: readonly GgufTensor[], of: (tensor: GgufTensor) => number): number {
  return tensors.reduce((sum, tensor) => sum + of(tensor), 0);
}
