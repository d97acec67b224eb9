/**
 * What an engine must know of an ONNX graph to run it as an encoder: a model that reads all of a text at
 * once and gives a vector for each of its positions, for the text, or a score for each label.
 */
import { TokenworkError } from '../../core/errors.js';
import { countGraph } from '../cost/count-graph.js';
import { floatDtypeOf, type IndexInput, indexInputOf } from '../graph-input.js';
import type { ModelProto, ValueInfoProto } from '../onnx/proto.js';

export interface EncoderGraph {
  /** Each [batch, sequence]. */
  inputIds: IndexInput;
  /** 1 where a position counts, 0 where it is padding. */
  attentionMask: IndexInput | null;
  /** The segment a position belongs to; all are the first. */
  tokenTypeIds: IndexInput | null;
  output: {
    name: string;
    dtype: 'fp32' | 'fp16';
    /**
     * `positions`: [batch, sequence, size], to be pooled; `embedding`: [batch, size], pooled by the graph;
     * `classification`: [batch, size] logits of the labels.
     */
    kind: 'positions' | 'embedding' | 'classification';
    size: number;
  };
}

/** Outputs by what they are called in published exports, the most finished first. */
const outputKinds: [name: string, kind: EncoderGraph['output']['kind']][] = [
  ['logits', 'classification'],
  ['sentence_embedding', 'embedding'],
  ['last_hidden_state', 'positions'],
  ['token_embeddings', 'positions'],
];
const ranks = { positions: 3, embedding: 2, classification: 2 };

/**
 * Describes `model` as an encoder. Throws TokenworkError `not-an-encoder`, naming what is missing or what
 * input the graph wants that a text cannot supply.
 */
export function describeEncoder(model: ModelProto): EncoderGraph {
  const weights = new Set((model.graph.initializer ?? []).map((tensor) => tensor.name));
  const inputs = new Map(
    (model.graph.input ?? []).filter(({ name }) => !weights.has(name)).map((info) => [info.name, info]),
  );
  const index = (name: string): IndexInput | null => indexInputOf(inputs.get(name), notAnEncoder);
  const inputIds = index('input_ids');
  if (!inputIds) throw notAnEncoder('it has no input named input_ids');
  const graph = { inputIds, attentionMask: index('attention_mask'), tokenTypeIds: index('token_type_ids') };
  const known = new Set([graph.inputIds.name, graph.attentionMask?.name, graph.tokenTypeIds?.name]);
  const unknown = [...inputs.keys()].filter((name) => !known.has(name));
  if (unknown.length > 0) throw notAnEncoder(`it wants inputs that a text has not: ${unknown.join(', ')}`);
  return { ...graph, output: outputOf(model, [...inputs.values()]) };
}

function outputOf(model: ModelProto, inputs: ValueInfoProto[]): EncoderGraph['output'] {
  const outputs = new Map((model.graph.output ?? []).map((info) => [info.name, info]));
  const shapes = Object.fromEntries(inputs.map(({ name }) => [name, [2, 3]]));
  const { outputShapes } = countGraph(model, shapes);
  for (const [name, kind] of outputKinds) {
    const info = outputs.get(name);
    if (!info) continue;
    const declared = info.type?.tensorType?.shape?.dim ?? [];
    const shape = outputShapes[name] ?? null;
    const size = shape?.at(-1) ?? declared.at(-1)?.dimValue;
    if ((shape ?? declared).length !== ranks[kind] || !size)
      throw notAnEncoder(`its output ${name} is not of ${ranks[kind]} dimensions with a known last one`);
    return { name, dtype: floatDtypeOf(info, notAnEncoder), kind, size };
  }
  const names = outputKinds.map(([name]) => name).join(', ');
  throw notAnEncoder(`it has none of the outputs ${names}`);
}

function notAnEncoder(why: string): TokenworkError {
  return new TokenworkError(
    'not-an-encoder',
    `The model is not an encoder of texts: ${why}.`,
    'Use an export of a BERT-like model in transformers.js layout, without past key values.',
  );
}
