import { basename, resolve } from 'node:path';
import type { Warning } from '../../core/codes.js';
import type { CostModel } from '../../core/cost.js';
import { messageOf, TokenworkError } from '../../core/errors.js';
import { plainText } from '../../core/text.js';
import { deriveEncoderCostYielding } from '../cost/derive-cost.js';
import { digestFiles } from '../digest.js';
import { externalDataFiles } from '../external-data.js';
import { contextLengthOf, dtypeNotice, notCountedNotice, type OpenOptions, readConfig } from '../folder.js';
import { readModel } from '../onnx/read-model.js';
import { chooseOnnxFile, listOnnxFiles } from '../onnx-file.js';
import { readTokenizerFiles } from '../tokenizer.js';
import { describeEncoder, type EncoderGraph } from './graph.js';

/** An encoder on this machine, ready to be run. */
export interface EncoderFolder {
  format: 'onnx';
  id: string;
  source: 'synthesised' | 'folder' | 'hub';
  directory: string;
  onnxPath: string;
  dtype: string;
  /** Positions of a text, its special tokens included. */
  contextLength: number;
  vocabulary: number;
  /** Names of a classifier's labels, in the order of its logits; empty for embeddings. */
  labels: string[];
  /** SHA-256 of the graph and its external data, one after another. */
  sha256: string;
  encoder: EncoderGraph;
  cost: CostModel;
  notices: Warning[];
}

/** Families whose first position is that after the padding token's id, 1: their tables have two rows more. */
const offsetPositions = new Set(['roberta', 'xlm-roberta', 'camembert']);

/**
 * Opens an encoder's folder in transformers.js layout. Throws TokenworkError as `openFolder` does, and
 * `not-an-encoder` for another kind of model.
 */
export async function openEncoderFolder(directory: string, options: OpenOptions): Promise<EncoderFolder> {
  const root = resolve(directory);
  const config = await readConfig(root);
  const files = await listOnnxFiles(root);
  const file = await chooseOnnxFile(root, files, options.dtype);
  const id = options.id ?? plainText(basename(root));
  const { encoder, cost, dataPaths } = await readEncoder(file.path, options.signal);
  const vocabulary = vocabularyOf(config, root);
  await readTokenizerFiles(root);
  const { onProgress, signal, cacheDirectory } = options;
  const sha256 = await digestFiles([file.path, ...dataPaths], {
    cacheDirectory,
    signal,
    onProgress: onProgress && ((fraction) => onProgress({ fraction, message: `hashing ${id}` })),
  });
  const offset = offsetPositions.has(String(config.model_type)) ? 2 : 0;
  const model: EncoderFolder = {
    format: 'onnx',
    id,
    source: options.source ?? 'folder',
    directory: root,
    onnxPath: file.path,
    dtype: file.dtype,
    contextLength: contextLengthOf(config, root) - offset,
    vocabulary,
    labels: encoder.output.kind === 'classification' ? labelsOf(config, encoder.output.size) : [],
    sha256,
    encoder,
    cost,
    notices: [],
  };
  const available = files.map(({ dtype }) => dtype);
  return {
    ...model,
    notices: [
      ...(options.dtype === undefined ? dtypeNotice(model, available) : []),
      ...notCountedNotice(model),
    ],
  };
}

async function readEncoder(onnxPath: string, signal?: AbortSignal) {
  const model = await readModel(onnxPath);
  const dataPaths = await externalDataFiles(model, onnxPath);
  try {
    const encoder = describeEncoder(model);
    return { encoder, cost: await deriveEncoderCostYielding(model, encoder, signal), dataPaths };
  } catch (cause) {
    if (!(cause instanceof TokenworkError)) throw cause;
    throw new TokenworkError(cause.code, `${onnxPath}: ${messageOf(cause)}`, cause.hint, { cause });
  }
}

function vocabularyOf(config: Record<string, unknown>, directory: string): number {
  const { vocab_size: size } = config;
  if (Number.isSafeInteger(size) && (size as number) > 0) return size as number;
  throw new TokenworkError(
    'bad-config',
    `The config.json in ${directory} has ${JSON.stringify(size)} as vocab_size, which is no number of tokens.`,
    'Take config.json unchanged from the model’s repository.',
  );
}

/** Names from `id2label`, and numbers where it has none. */
function labelsOf({ id2label }: Record<string, unknown>, count: number): string[] {
  const names = (id2label ?? {}) as Record<string, unknown>;
  return Array.from({ length: count }, (_, label) => String(names[label] ?? label));
}
