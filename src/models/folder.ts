import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Warning } from '../core/codes.js';
import type { CostModel } from '../core/cost.js';
import { messageOf, TokenworkError } from '../core/errors.js';
import { otherwise } from '../core/log.js';
import { plainStrings, plainText } from '../core/text.js';
import { deriveCostYielding } from './cost/derive-cost.js';
import { type DecoderGraph, describeDecoder } from './decoder-graph.js';
import { digestFiles } from './digest.js';
import { externalDataFiles } from './external-data.js';
import { readJsonObject } from './json-file.js';
import type { ModelProto } from './onnx/proto.js';
import { readModel } from './onnx/read-model.js';
import { chooseOnnxFile, listOnnxFiles } from './onnx-file.js';
import { readTokenizerFiles } from './tokenizer.js';

/** Progress of something that takes its time; `fraction` is of the whole, 0 to 1. */
export type OnProgress = (progress: { fraction: number; message: string }) => void;

/** A decoder on this machine, ready to be run, whatever its format. */
export interface LocalModel {
  id: string;
  source: 'synthesised' | 'folder' | 'hub';
  /** Where its files lie. */
  directory: string;
  dtype: string;
  /** `contrib` or `standard` where attention is one operator of ONNX Runtime or of ONNX, else `primitive`; `gguf`. */
  graphVariant: string;
  /** Positions the model was made for. */
  contextLength: number;
  /** Logits per position. */
  vocabulary: number;
  /** Tokens that end a text; empty where the model names none. */
  eosTokenIds: number[];
  /** SHA-256 of the files that it is made of, one after another. */
  sha256: string;
  cost: CostModel;
  /** Cost of a step whose logits are kept for all positions; `cost` itself, unless the graph computes on demand. */
  costOfAllLogits: CostModel;
  /** Notices of what was decided for the user on the way, such as the dtype. */
  notices: Warning[];
}

/** A model in transformers.js layout. */
export interface ModelFolder extends LocalModel {
  format: 'onnx';
  onnxPath: string;
  decoder: DecoderGraph;
}

export interface OpenOptions {
  id?: string;
  source?: ModelFolder['source'];
  dtype?: string | undefined;
  cacheDirectory: string;
  onProgress?: OnProgress | undefined;
  signal?: AbortSignal | undefined;
}

/** Fields in which configs of different families keep the number of positions. */
const contextFields = [
  'max_position_embeddings',
  'n_positions',
  'n_ctx',
  'max_seq_len',
  'max_sequence_length',
];

/**
 * Opens a folder in transformers.js layout: `config.json`, `tokenizer.json`, `onnx/model*.onnx` and what
 * the graph keeps outside of itself. Throws TokenworkError with the name of the file that is missing,
 * broken or does not fit the others (`not-a-folder`, `no-config`, `bad-config`, `dtype-missing`,
 * `external-data-missing`, `not-a-decoder` …).
 */
export async function openFolder(directory: string, options: OpenOptions): Promise<ModelFolder> {
  const root = resolve(directory);
  const config = await readConfig(root);
  const generation = await readGenerationConfig(root);
  const files = await listOnnxFiles(root);
  const file = await chooseOnnxFile(root, files, options.dtype);
  const contextLength = contextLengthOf(config, root);
  const graph = await readDecoder(file.path, config, options.signal);
  // Its ids may go beyond the model's vocabulary (added tokens never trained): a request that uses one fails.
  await readTokenizerFiles(root);
  const id = options.id ?? plainText(basename(root));
  const { onProgress } = options;
  const sha256 = await digestFiles([file.path, ...graph.dataPaths], {
    cacheDirectory: options.cacheDirectory,
    signal: options.signal,
    onProgress: onProgress && ((fraction) => onProgress({ fraction, message: `hashing ${id}` })),
  });
  const model: ModelFolder = {
    format: 'onnx',
    id,
    source: options.source ?? 'folder',
    directory: root,
    onnxPath: file.path,
    dtype: file.dtype,
    graphVariant: graph.graphVariant,
    contextLength,
    vocabulary: graph.decoder.vocabulary,
    eosTokenIds: eosTokenIdsOf(generation, config),
    sha256,
    decoder: graph.decoder,
    cost: graph.cost,
    costOfAllLogits: graph.costOfAllLogits,
    notices: [],
  };
  const available = files.map((file) => file.dtype);
  return {
    ...model,
    notices: [
      ...(options.dtype === undefined ? dtypeNotice(model, available) : []),
      ...notCountedNotice(model),
    ],
  };
}

/** The warning about a model whose graph could be counted only in part. */
export function notCountedNotice({ id, cost }: { id: string; cost: CostModel }): Warning[] {
  if (cost.notCounted === undefined) return [];
  return [
    {
      code: 'not-counted',
      message: `${id} could not be counted exactly, so its FLOPs and bytes moved are left out: ${cost.notCounted}.`,
      hint: 'All else is measured. `tokenwork flops` says what could be counted at least.',
    },
  ];
}

/** The warning for a user who asked for no dtype where there are several. */
export function dtypeNotice(
  model: Pick<ModelFolder, 'id' | 'dtype' | 'onnxPath'>,
  available: string[],
): Warning[] {
  const others = available.filter((dtype) => dtype !== model.dtype);
  if (others.length === 0) return [];
  return [
    {
      code: 'dtype-chosen',
      message: `No dtype was asked for: ${model.id} runs as ${model.dtype} (onnx/${basename(model.onnxPath)}).`,
      hint: `It is also there as ${others.join(', ')}: choose with --dtype.`,
    },
  ];
}

/**
 * `config.json` of a model folder. Throws TokenworkError `not-a-folder`, `no-config` or one of
 * `readJsonObject`'s.
 */
export async function readConfig(directory: string): Promise<Record<string, unknown>> {
  const found = await stat(directory).catch(otherwise(null, 'looking for a model folder'));
  if (!found?.isDirectory()) {
    throw new TokenworkError(
      'not-a-folder',
      found ? `${directory} is a file, not a model folder.` : `There is no folder ${directory}.`,
      'Name a folder in transformers.js layout: config.json, tokenizer.json, onnx/model.onnx.',
    );
  }
  try {
    return plainStrings(await readJsonObject(join(directory, 'config.json')));
  } catch (cause) {
    if (!(cause instanceof TokenworkError) || cause.code !== 'json-missing') throw cause;
    throw new TokenworkError(
      'no-config',
      `${directory} has no config.json, so it is no model folder.`,
      'Name a folder in transformers.js layout: config.json, tokenizer.json, onnx/model.onnx.',
      { cause },
    );
  }
}

/** Reads the graph alone; throws as `openFolder` does. */
async function readDecoder(onnxPath: string, config: Record<string, unknown>, signal?: AbortSignal) {
  const model = await readModel(onnxPath);
  const dataPaths = await externalDataFiles(model, onnxPath);
  try {
    const decoder = describeDecoder(model);
    if (decoder.layers.some(({ valueHeadDim }) => valueHeadDim !== undefined)) {
      throw new TokenworkError(
        'not-a-decoder',
        'The cache holds keys and values of different widths, which no engine here runs.',
        'Count it with `tokenwork flops`.',
      );
    }
    const tied = tiedEmbeddingsOf(config);
    const cost = await deriveCostYielding(model, decoder, { ...tied, signal });
    const onDemand = decoder.logitsToKeep !== null;
    const costOfAllLogits = onDemand
      ? await deriveCostYielding(model, decoder, { ...tied, logits: 'all', signal })
      : cost;
    return { decoder, cost, costOfAllLogits, graphVariant: graphVariantOf(model), dataPaths };
  } catch (cause) {
    if (!(cause instanceof TokenworkError)) throw cause;
    throw new TokenworkError(cause.code, `${onnxPath}: ${messageOf(cause)}`, cause.hint, { cause });
  }
}

async function readGenerationConfig(directory: string): Promise<Record<string, unknown>> {
  try {
    return await readJsonObject(join(directory, 'generation_config.json'));
  } catch (cause) {
    if (cause instanceof TokenworkError && cause.code === 'json-missing') return {};
    throw cause;
  }
}

/** The model's context by its config. Throws TokenworkError `bad-config`. */
export function contextLengthOf(config: Record<string, unknown>, directory: string): number {
  const field = contextFields.find((name) => config[name] !== undefined && config[name] !== null);
  const value = field === undefined ? undefined : config[field];
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
  throw new TokenworkError(
    'bad-config',
    field === undefined
      ? `${join(directory, 'config.json')} does not say how long the model's context is.`
      : `${join(directory, 'config.json')} has ${JSON.stringify(value)} as ${field}, which is no context length.`,
    'Set max_position_embeddings to the number of positions the model was made for.',
  );
}

/** The generation config overrules the config, as it does in transformers. */
function eosTokenIdsOf(...configs: Record<string, unknown>[]): number[] {
  for (const { eos_token_id: eos } of configs) {
    const ids = (Array.isArray(eos) ? eos : [eos]).filter((id) => Number.isSafeInteger(id) && id >= 0);
    if (ids.length > 0) return ids;
  }
  return [];
}

/** Whether the config says that the output head's weights are the embedding table's. */
export function tiedEmbeddingsOf(config: Record<string, unknown>): { tiedEmbeddings?: boolean } {
  const tied = config.tie_word_embeddings;
  return typeof tied === 'boolean' ? { tiedEmbeddings: tied } : {};
}

/** Told by the attention: quantised products are contrib ops in either graph variant. */
function graphVariantOf({ graph }: ModelProto): string {
  const attentions = graph.node?.filter(({ opType }) => opType.endsWith('Attention')) ?? [];
  if (attentions.length === 0) return 'primitive';
  return attentions.some(({ domain }) => domain === 'com.microsoft') ? 'contrib' : 'standard';
}
