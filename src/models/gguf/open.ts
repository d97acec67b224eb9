import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { CostModel } from '../../core/cost.js';
import { TokenworkError } from '../../core/errors.js';
import { otherwise } from '../../core/log.js';
import type { DecoderGraph } from '../decoder-graph.js';
import { digestFiles } from '../digest.js';
import { type LocalModel, notCountedNotice, type OpenOptions } from '../folder.js';
import { describeRead, mainType } from './describe.js';
import { type GgufEncoder, isEncoderArchitecture, readGgufEncoder } from './encoder.js';
import { badGguf, type GgufModel, readGguf } from './read.js';
import { whyUnloadable } from './unloadable.js';

/** A GGUF model on this machine, ready to be run. */
export interface GgufFile extends LocalModel {
  format: 'gguf';
  /** All parts of a split model, in order; llama.cpp is given the first. */
  paths: string[];
  /** `general.architecture`, as llama.cpp names it. */
  architecture: string;
  bosTokenId: number | null;
  /** The folder of a tokenizer.json that has the very tokens of the file; null: the vocabulary in the file alone. */
  tokenizerDirectory: string | null;
  /** Whether the file has a chat template; one beside it is part of the tokenizer there. */
  hasChatTemplate: boolean;
  /** Null where the architecture is not known: then `cost.notCounted` says so, and the model can be run all the same. */
  decoder: DecoderGraph | null;
}

/**
 * Opens a GGUF file, or all parts of a split one, by its header, with what would end the process in a native loader
 * refused here. Throws TokenworkError as `readGguf` does, or `aborted`.
 */
export async function openGguf(path: string, options: Omit<OpenOptions, 'dtype'>): Promise<GgufFile> {
  const model = await readGguf(path, options.id);
  if (isEncoderArchitecture(model.architecture))
    throw new TokenworkError(
      'not-a-decoder',
      `${path} is an encoder of texts (${model.architecture}), which generates none.`,
      'Name it as the embedder of a pipeline.',
    );
  const problem = whyUnloadable(model);
  if (problem !== null) throw badGguf(path, problem);
  const number = (key: string) => numberOf(model.metadata.get(key));
  const contextLength = number(`${model.architecture}.context_length`);
  if (contextLength === null || contextLength < 1)
    throw badGguf(path, `it does not say how long its context is (${model.architecture}.context_length)`);
  const counted = await countedOrNot(model, options.signal);
  const { id, paths, architecture } = model;
  const { onProgress, signal, cacheDirectory } = options;
  const sha256 = await digestFiles(paths, {
    ...{ cacheDirectory, signal },
    onProgress: onProgress && ((fraction) => onProgress({ fraction, message: `hashing ${id}` })),
  });
  const ends = ['eos', 'eot', 'eom'].flatMap((name) => number(`tokenizer.ggml.${name}_token_id`) ?? []);
  return {
    ...{ id, paths, architecture, contextLength, sha256, ...counted },
    ...{ format: 'gguf', directory: dirname(path), graphVariant: 'gguf' },
    source: options.source ?? 'folder',
    dtype: mainType(model.tensors),
    vocabulary: model.tokens!.length,
    eosTokenIds: [...new Set(ends)],
    bosTokenId: number('tokenizer.ggml.bos_token_id'),
    hasChatTemplate: typeof model.metadata.get('tokenizer.chat_template') === 'string',
    tokenizerDirectory:
      options.source === 'synthesised' ? dirname(path) : await tokenizerBeside(path, model.tokens!),
    notices: notCountedNotice({ id, cost: counted.cost }),
  };
}

/** Opens an embedding model as `openGguf` does a decoder. Throws as `readGgufEncoder` does, or `aborted`. */
export async function openGgufEncoder(
  path: string,
  options: Omit<OpenOptions, 'dtype'>,
): Promise<GgufEncoder> {
  const { header, tokens } = await readGgufEncoder(path, options);
  const { onProgress, signal, cacheDirectory, source = 'folder' } = options;
  const sha256 = await digestFiles(header.paths, {
    ...{ cacheDirectory, signal },
    onProgress: onProgress && ((fraction) => onProgress({ fraction, message: `hashing ${header.id}` })),
  });
  return { ...header, source, sha256, tokenizerDirectory: await tokenizerBeside(path, tokens) };
}

/** Costs of the model; of an architecture that is not known, none, with the reason. */
async function countedOrNot(
  model: GgufModel,
  signal: AbortSignal | undefined,
): Promise<Pick<GgufFile, 'decoder' | 'cost' | 'costOfAllLogits'>> {
  try {
    const { decoder, cost, costOfAllLogits } = await describeRead(model, signal);
    return { decoder, cost, costOfAllLogits };
  } catch (thrown) {
    const isUncountable =
      thrown instanceof TokenworkError &&
      (thrown.code === 'unsupported-architecture' || thrown.code === 'bad-config');
    if (!isUncountable) throw thrown;
    const cost = uncounted(model, thrown.message);
    return { decoder: null, cost, costOfAllLogits: cost };
  }
}

function uncounted({ architecture, metadata, tensors }: GgufModel, reason: string): CostModel {
  const number = (key: string) => numberOf(metadata.get(`${architecture}.${key}`));
  const heads = number('attention.head_count_kv') ?? number('attention.head_count') ?? 0;
  const width = (number('attention.key_length') ?? 0) + (number('attention.value_length') ?? 0);
  return {
    flops: { matmul: [], executed: [], causal: [], elementwise: [] },
    bytes: { weights: [], kvRead: [], kvWritten: [], activations: [] },
    mixture: null,
    parameters: tensors.reduce((sum, { elements }) => sum + elements, 0),
    // In fp16, of a cache that all layers have.
    kvBytesPerToken: 2 * (number('block_count') ?? 0) * heads * width,
    notCounted: reason.replace(/\.$/, ''),
  };
}

/** Other models may lie in the same folder, so what tells is the tokens, one by one. */
async function tokenizerBeside(path: string, tokens: readonly string[]): Promise<string | null> {
  const directory = dirname(path);
  const text = await readFile(join(directory, 'tokenizer.json'), 'utf8').catch(
    otherwise(null, 'a tokenizer'),
  );
  if (text === null) return null;
  try {
    const { model, added_tokens: added = [] } = JSON.parse(text);
    const entries: [string, unknown][] = Object.entries(model.vocab);
    for (const { content, id } of added) entries.push([content, id]);
    const same = entries.every(([token, id]) => tokens[Number(id)] === token);
    return same && entries.length > 0 ? directory : null;
  } catch (thrown) {
    otherwise(null, `${basename(path)}: the tokenizer beside it`)(thrown);
    return null;
  }
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : null;
}
