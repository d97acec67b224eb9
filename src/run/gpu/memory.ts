import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Warning } from '../../core/codes.js';
import { bytesOf, type CostModel } from '../../core/cost.js';
import type { Bytes } from '../../core/units.js';
import { type DecoderGraph, kvBytesPerPosition } from '../../models/decoder-graph.js';
import type { Dtype } from '../../models/dtype.js';
import type { ModelFolder } from '../../models/folder.js';
import { partTokens } from '../../models/gguf/describe.js';
import type { GgufFile } from '../../models/gguf/open.js';
import { parameterCount, type Recipe } from '../../models/recipe.js';
import { defaultBuildDtype, locateModel } from '../../models/resolve.js';
import { plainChat, policyOf } from '../../stages/pipeline.js';
import type { RequestSpec } from '../../stages/request-spec.js';
import type { RoleModel } from '../../workload/pipelines/roles.js';
import { contextPositions } from '../../workload/pipelines/variants.js';
import type { PlannedCell } from '../../workload/plan.js';
import type { DecoderFolder, RunModel } from '../local/models.js';
import type { ChosenDevice } from './choice.js';

/** Usable share of the memory that is free: the rest is for the driver, shaders and what is cut into pieces. */
const usableShare = 0.9;
/** The share of usable memory that is left for caches and activations when models are chosen. */
const workingShare = 0.15;
/**
 * ONNX Runtime binds a larger tensor in pieces, and a shader has as few as ten bindings: room for an input and
 * an output of four pieces each, and what else it reads.
 */
const segments = 4;
/** Bits of a weight; quantised ones with their share of a scale. The embedding table of those is in fp32. */
const weightBits: Record<Dtype, number> = { fp32: 32, fp16: 16, int8: 9, q4: 5 };

/** Bytes that the weights of a built model take. */
export function builtWeightBytes(recipe: Recipe, dtype: Dtype): Bytes {
  const table = dtype === 'int8' || dtype === 'q4' ? 4 * recipe.vocabulary * recipe.hiddenSize : 0;
  return (parameterCount(recipe) * weightBits[dtype]) / 8 + table;
}

/** Bytes of a model's graph and the files that hold its weights. */
export function storedWeightBytes(model: Pick<ModelFolder, 'onnxPath'> | Pick<GgufFile, 'paths'>): Bytes {
  if ('paths' in model) return model.paths.reduce((sum, path) => sum + statSync(path).size, 0);
  const { onnxPath } = model;
  const folder = dirname(onnxPath);
  const files = readdirSync(folder).filter((name) => name.startsWith(basename(onnxPath)));
  return files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

/**
 * The models that fit into the GPU's memory together, taken in their order, before any is built: all of a
 * run's models are open at once, since their requests are interleaved. Those of unknown size, which are not
 * built from a recipe, are taken; opening them decides.
 */
export async function fittingModels(
  wanted: readonly RoleModel[],
  { freeBytes, adapter }: Pick<ChosenDevice, 'freeBytes' | 'adapter'>,
): Promise<{ models: RoleModel[]; warnings: Warning[] }> {
  if (freeBytes === null) return { models: [...wanted], warnings: [] };
  let leftBytes = freeBytes * usableShare * (1 - workingShare);
  const models: RoleModel[] = [];
  const warnings: Warning[] = [];
  for (const model of wanted) {
    const located = await locateModel(model.spec);
    const dtype = model.dtype ?? defaultBuildDtype;
    const bytes = located.kind === 'recipe' ? builtWeightBytes(located.recipe, dtype) : 0;
    if (bytes > leftBytes) {
      warnings.push({
        code: 'beyond-device-memory',
        message: `${model.spec} (${dtype}) is left out: its weights take ${gib(bytes)}, and of the ${gib(freeBytes)} free on ${adapter?.name ?? 'the GPU'} ${gib(leftBytes)} are left beside the other models and what requests need.`,
        hint: `Run it alone with --model ${model.spec} --dtype ${dtype}, as a smaller dtype, or on a larger GPU.`,
      });
      continue;
    }
    leftBytes -= bytes;
    models.push(model);
  }
  return { models, warnings };
}

/**
 * The cells whose requests fit the GPU's memory, and one warning that names the others of each model. Prefix
 * caches stay while the others run, so a cell that brings a new one has to leave space for those kept before.
 */
export function fittingCells(
  cells: readonly PlannedCell[],
  models: readonly RunModel[],
  { freeBytes, adapter }: Pick<ChosenDevice, 'freeBytes' | 'adapter'>,
  concurrency: number,
): { cells: PlannedCell[]; warnings: Warning[] } {
  const folders = new Map(
    models.flatMap((model) => (model.kind === 'decoder' ? [[model.id, model.folder]] : [])),
  );
  const weights = models.reduce((sum, { folder }) => sum + storedWeightBytes(folder), 0);
  const leftBytes = freeBytes === null ? Number.POSITIVE_INFINITY : freeBytes * usableShare - weights;
  const largestBytes = segments * (adapter?.largestBufferBytes ?? Number.POSITIVE_INFINITY);
  const kept: PlannedCell[] = [];
  let prefixCaches: ReadonlyMap<string, Bytes> = new Map();
  let needed: Bytes = 0;
  const beyond = new Map<string, string[]>();
  for (const cell of cells) {
    const folder = folders.get(cell.model)!;
    const need = requestBytes(cell, folder);
    const cut = prefixCacheOf(cell.request);
    const cache = cut === null ? { inAll: 0, largest: 0 } : prefixCacheBytes(cut, folder);
    const caches = new Map(prefixCaches).set(
      [cell.model, cut?.blocks, cut?.blockTokens].join(' '),
      cache.inAll,
    );
    const cached = [...caches.values()].reduce((sum, bytes) => sum + bytes, 0);
    const most = Math.max(needed, need.inAll);
    const largest = Math.max(need.largest, cache.largest);
    if ((cached + most) * concurrency <= leftBytes && largest <= largestBytes) {
      kept.push(cell);
      prefixCaches = caches;
      needed = most;
    } else beyond.set(cell.model, [...(beyond.get(cell.model) ?? []), cell.id]);
  }
  const warnings = [...beyond].map(
    ([model, ids]): Warning => ({
      code: 'beyond-device-memory',
      message: `${ids.length === 1 ? '1 cell of' : `${ids.length} cells of`} ${model} ${ids.length === 1 ? 'needs' : 'need'} more memory of ${adapter?.name ?? 'the GPU'} than there is (${gib(Math.max(0, leftBytes))} beside the weights, ${gib(largestBytes)} for one tensor), and ${ids.length === 1 ? 'is' : 'are'} left out: ${ids.join(', ')}.`,
      hint: 'Run fewer models at a time, shorter prompts or smaller batches, or use a larger GPU.',
    }),
  );
  return { cells: kept, warnings };
}

/**
 * Memory of the GPU that a request takes beside the weights, and that of its largest tensor, counted high:
 * its cache at full length, twice where it does not grow in place; logits of all positions; one layer's
 * activations; and attention's scores where they are a tensor.
 */
export function requestBytes(
  { request }: Pick<PlannedCell, 'request'>,
  { decoder, cost, graphVariant }: Pick<DecoderFolder, 'decoder' | 'cost' | 'graphVariant'>,
): { inAll: Bytes; largest: Bytes } {
  const { batch, prompt, completionTokens, pipeline = plainChat } = request;
  const ownTokens = prompt.kind === 'synthetic' ? prompt.tokens : Buffer.byteLength(prompt.text);
  const newTokens = contextPositions(pipeline, ownTokens, completionTokens) - completionTokens;
  const positions = batch * (newTokens + completionTokens);
  const { activations } = bytesOf(cost, { batch, newTokens, pastTokens: 0 });
  if (decoder === null || graphVariant === 'gguf')
    return ofLlama({ positions, tokens: batch * newTokens, batch }, cost, decoder);
  const cache = positions * kvBytesPerPosition(decoder.layers) * (decoder.cacheInPlace ? 1 : 2);
  const logits = batch * (decoder.logits.lastPositionOnly ? 1 : newTokens) * decoder.vocabulary * 4;
  // What all nodes read and write: of a layer, half of it is there at a time.
  const layer = activations / decoder.layers.length;
  const scores = graphVariant === 'contrib' ? 0 : layer / 4;
  return { inAll: cache + 1.5 * logits + layer, largest: Math.max(logits, scores) };
}

/** llama.cpp computes a part of the tokens at a time, and keeps logits of the positions that are asked for. */
function ofLlama(
  { positions, tokens, batch }: { positions: number; tokens: number; batch: number },
  cost: CostModel,
  decoder: DecoderGraph | null,
): { inAll: Bytes; largest: Bytes } {
  const cache = positions * cost.kvBytesPerToken;
  const { activations } = bytesOf(cost, { batch: 1, newTokens: Math.min(tokens, partTokens), pastTokens: 0 });
  const logits = Math.max(batch, 64) * (decoder?.vocabulary ?? 0) * 4;
  return { inAll: cache + logits + activations / (decoder?.layers.length ?? 1), largest: logits };
}

/** The blocks of the prefix cache of a request's model; null where it has none. */
export function prefixCacheOf({
  pipeline = plainChat,
}: Pick<RequestSpec, 'pipeline'>): { blocks: number; blockTokens: number } | null {
  const policy = policyOf(pipeline, 'prefill');
  if (policy === undefined || policy.cache === 'none') return null;
  const { blockTokens, cacheTokens } = policy;
  return { blocks: Math.floor(cacheTokens / blockTokens), blockTokens };
}

/** Memory of the GPU that a cell's prefix cache takes, and that of its largest tensor. */
function prefixCacheBytes(
  { blocks, blockTokens }: { blocks: number; blockTokens: number },
  { decoder, cost, graphVariant }: Pick<DecoderFolder, 'decoder' | 'cost' | 'graphVariant'>,
): { inAll: Bytes; largest: Bytes } {
  const inAll = blocks * blockTokens * cost.kvBytesPerToken;
  if (decoder === null || graphVariant === 'gguf')
    return { inAll, largest: inAll / (decoder?.layers.length ?? 1) };
  const { layers } = decoder;
  const ofLayers = layers.map((layer) => blocks * blockTokens * kvBytesPerPosition([layer]));
  // Keys and values are tensors of their own.
  return { inAll: ofLayers.reduce((sum, bytes) => sum + bytes, 0), largest: Math.max(...ofLayers) / 2 };
}

export const gib = (bytes: Bytes): string =>
  Number.isFinite(bytes) ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : 'no limit';
