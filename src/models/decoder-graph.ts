/**
 * What an engine must know of an ONNX graph to run it as a decoder: which inputs and outputs carry the
 * tokens, the logits and the KV cache of each layer. Read from the graph alone, in the naming of
 * transformers.js exports (`past_key_values.N.key` in, `present.N.key` out).
 */
import { TokenworkError } from '../core/errors.js';
import type { Bytes } from '../core/units.js';
import {
  type CacheDtype,
  floatDtypeOf,
  type IndexDtype,
  type IndexInput,
  indexInputOf,
} from './graph-input.js';
import type { ModelProto, NodeProto, ValueInfoProto } from './onnx/proto.js';

export type { CacheDtype, IndexDtype, IndexInput };

/** One layer's KV cache; each tensor is [batch, heads, positions, headDim]. */
export interface LayerCache {
  pastKey: string;
  pastValue: string;
  presentKey: string;
  presentValue: string;
  /** Key/value heads. */
  heads: number;
  headDim: number;
  /** Width of a value head, where it is not `headDim`: such a decoder is counted, and no engine runs it. */
  valueHeadDim?: number;
  dtype: CacheDtype;
}

/** Bytes of keys and values that one cached position of one batch row holds. */
export function kvBytesPerPosition(layers: readonly LayerCache[]): Bytes {
  return layers.reduce(
    (sum, { heads, headDim, dtype }) => sum + 2 * heads * headDim * (dtype === 'fp16' ? 2 : 4),
    0,
  );
}

/** One layer's router logits, [batch, new, experts]. */
interface RouterOutput {
  name: string;
  dtype: CacheDtype;
  experts: number;
  /** Number of experts that each token is sent to: those with the largest logits. */
  perToken: number;
}

export interface DecoderGraph {
  /** [batch, new]. */
  inputIds: IndexInput;
  /** [batch, past + new]; 1 where the position counts. */
  attentionMask: IndexInput | null;
  /** [batch, new]. */
  positionIds: IndexInput | null;
  /** Scalar or [1]: how many trailing positions to compute logits for. */
  logitsToKeep: IndexInput | null;
  /** [batch, positions, vocabulary]. */
  logits: { name: string; dtype: CacheDtype; lastPositionOnly: boolean };
  vocabulary: number;
  layers: LayerCache[];
  /** Routers of each layer of a mixture, where the graph shows them; empty where it has or shows none. */
  routers: RouterOutput[];
  /**
   * Whether past and present may be one buffer of the cache's full capacity: every cache goes straight
   * into a GroupQueryAttention, comes straight out of it, and is read by nothing else.
   */
  cacheInPlace: boolean;
}

const logitsToKeepNames = new Set(['num_logits_to_keep', 'logits_to_keep']);
const routerPattern = /^router_logits\.(\d+)$/;
const pastPattern = /^past_key_values\.(\d+)\.(key|value)$/;

/**
 * Describes `model` as a decoder. Throws TokenworkError `not-a-decoder`, naming what is missing or what
 * input the graph wants that no decoder step can supply.
 */
export function describeDecoder(model: ModelProto): DecoderGraph {
  const weights = new Set((model.graph.initializer ?? []).map((tensor) => tensor.name));
  // Before IR version 4, initializers are listed among the inputs too.
  const inputs = byName((model.graph.input ?? []).filter((input) => !weights.has(input.name)));
  const outputs = byName(model.graph.output ?? []);

  const inputIds = indexInput(inputs, 'input_ids');
  if (!inputIds) throw notADecoder('it has no input named input_ids');
  const logitsInfo = outputs.get('logits');
  if (!logitsInfo) throw notADecoder('it has no output named logits');
  const toKeep = [...logitsToKeepNames].find((name) => inputs.has(name));

  const layers = describeLayers(inputs, outputs);
  const graph: DecoderGraph = {
    inputIds,
    attentionMask: indexInput(inputs, 'attention_mask'),
    positionIds: indexInput(inputs, 'position_ids'),
    logitsToKeep: toKeep === undefined ? null : indexInput(inputs, toKeep),
    logits: {
      name: logitsInfo.name,
      dtype: floatDtype(logitsInfo),
      lastPositionOnly: toKeep !== undefined || shapeOf(logitsInfo)[1]?.dimValue === 1,
    },
    vocabulary: vocabularyOf(model, logitsInfo),
    layers,
    routers: describeRouters(model, outputs),
    cacheInPlace: layers.every((layer) => isUpdatedInPlace(model, layer)),
  };
  refuseUnknownInputs(graph, inputs);
  return graph;
}

function describeLayers(
  inputs: Map<string, ValueInfoProto>,
  outputs: Map<string, ValueInfoProto>,
): LayerCache[] {
  const indices = [...inputs.keys()]
    .map((name) => pastPattern.exec(name))
    .filter((match) => match?.[2] === 'key')
    .map((match) => Number(match![1]))
    .sort((a, b) => a - b);
  if (indices.length === 0) throw notADecoder('it has no KV cache inputs named past_key_values.N.key');
  return indices.map((index) => {
    const cache = {
      pastKey: `past_key_values.${index}.key`,
      pastValue: `past_key_values.${index}.value`,
      presentKey: `present.${index}.key`,
      presentValue: `present.${index}.value`,
    };
    const key = inputs.get(cache.pastKey)!;
    if (!inputs.has(cache.pastValue)) throw notADecoder(`input ${cache.pastValue} is missing`);
    for (const name of [cache.presentKey, cache.presentValue])
      if (!outputs.has(name)) throw notADecoder(`output ${name} is missing`);
    const [, heads, , headDim, ...rest] = shapeOf(key);
    if (!heads?.dimValue || !headDim?.dimValue || rest.length > 0)
      throw notADecoder(`${cache.pastKey} does not declare a shape [batch, heads, positions, headDim]`);
    const width = shapeOf(inputs.get(cache.pastValue)!)[3]?.dimValue ?? headDim.dimValue;
    return {
      ...cache,
      heads: heads.dimValue,
      headDim: headDim.dimValue,
      ...(width !== headDim.dimValue && { valueHeadDim: width }),
      dtype: floatDtype(key),
    };
  });
}

function describeRouters(model: ModelProto, outputs: Map<string, ValueInfoProto>): RouterOutput[] {
  const mixture = model.graph.node?.find(({ opType }) => opType === 'MoE' || opType === 'QMoE');
  const perToken = Number(mixture?.attribute?.find(({ name }) => name === 'k')?.i ?? 0);
  if (perToken === 0) return [];
  return [...outputs.values()]
    .flatMap((info) => {
      const layer = routerPattern.exec(info.name)?.[1];
      const experts = shapeOf(info).at(-1)?.dimValue;
      return layer === undefined || !experts ? [] : [{ layer: Number(layer), info, experts }];
    })
    .sort((a, b) => a.layer - b.layer)
    .map(({ info, experts }) => ({ name: info.name, dtype: floatDtype(info), experts, perToken }));
}

function isUpdatedInPlace(model: ModelProto, layer: LayerCache): boolean {
  const nodes = model.graph.node ?? [];
  const readers = (name: string) => nodes.filter((node) => node.input?.includes(name));
  const [attention, ...others] = readers(layer.pastKey);
  return (
    attention !== undefined &&
    others.length === 0 &&
    attention.opType === 'GroupQueryAttention' &&
    attention.input?.[3] === layer.pastKey &&
    attention.input?.[4] === layer.pastValue &&
    attention.output?.[1] === layer.presentKey &&
    attention.output?.[2] === layer.presentValue &&
    readers(layer.pastValue).length === 1 &&
    readers(layer.presentKey).length === 0 &&
    readers(layer.presentValue).length === 0
  );
}

function vocabularyOf(model: ModelProto, logits: ValueInfoProto): number {
  const declared = shapeOf(logits)[2]?.dimValue;
  if (declared) return declared;
  // Some exports leave the last dimension symbolic; the embedding table has a row for each token.
  const lookup = (model.graph.node ?? []).find(
    (node: NodeProto) => node.opType === 'Gather' && node.input?.[1] === 'input_ids',
  );
  const table = model.graph.initializer?.find((tensor) => tensor.name === lookup?.input?.[0]);
  const rows = table?.dims?.[0];
  if (!rows) throw notADecoder('its logits do not say how large the vocabulary is');
  return rows;
}

function refuseUnknownInputs(graph: DecoderGraph, inputs: Map<string, ValueInfoProto>): void {
  const known = new Set<string | undefined>([
    graph.inputIds.name,
    graph.attentionMask?.name,
    graph.positionIds?.name,
    graph.logitsToKeep?.name,
    ...graph.layers.flatMap((layer) => [layer.pastKey, layer.pastValue]),
  ]);
  const unknown = [...inputs.keys()].filter((name) => !known.has(name));
  if (unknown.length > 0) throw notADecoder(`it wants inputs a decoder step has not: ${unknown.join(', ')}`);
}

function indexInput(inputs: Map<string, ValueInfoProto>, name: string): IndexInput | null {
  return indexInputOf(inputs.get(name), notADecoder);
}

function floatDtype(info: ValueInfoProto): CacheDtype {
  return floatDtypeOf(info, notADecoder);
}

const shapeOf = (info: ValueInfoProto) => info.type?.tensorType?.shape?.dim ?? [];
const byName = (infos: ValueInfoProto[]) => new Map(infos.map((info) => [info.name, info]));

function notADecoder(why: string): TokenworkError {
  return new TokenworkError(
    'not-a-decoder',
    `The model is not a decoder with a KV cache: ${why}.`,
    'Use an export with past key values in transformers.js layout, or `tokenwork flops --shape` to count any ONNX file.',
  );
}
