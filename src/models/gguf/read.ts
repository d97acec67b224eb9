import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type GGUFParseOutput, gguf } from '@huggingface/gguf';
import { messageOf, TokenworkError } from '../../core/errors.js';
import { otherwise } from '../../core/log.js';
import { plainStrings, plainText } from '../../core/text.js';
import type { Bytes } from '../../core/units.js';
import { findBlockType } from './block-types.js';
import { partNames } from './parts.js';

/** The header of a GGUF model: what it says of itself, and its tensors without their data. */
export interface GgufModel {
  id: string;
  /** `general.architecture`, as llama.cpp names it. */
  architecture: string;
  metadata: ReadonlyMap<string, unknown>;
  /** Its tokens by id, as they stand there; null where it has no vocabulary. */
  tokens: readonly string[] | null;
  tensors: GgufTensor[];
  /** The files it lies in: all parts of a split model, in order. */
  paths: string[];
  /** Whether the output head repeats the embedding table, value by value. */
  repeatsEmbeddings: boolean;
}

export interface GgufTensor {
  name: string;
  /** Fastest dimension first, as ggml writes it: a row of a matrix has `shape[0]` elements. */
  shape: number[];
  elements: number;
  /** `F32`, `Q4_0` … */
  type: string;
  bytes: Bytes;
  /** The file it lies in, and where. */
  path: string;
  offset: number;
}

/**
 * Reads the headers of a GGUF file, and of all parts of a split one (`NAME-00001-of-00003.gguf`), whichever of them is
 * named. Tensor data is not read; that it is there is checked. Throws TokenworkError `bad-gguf`, `gguf-part-missing` or
 * `not-a-decoder` for an adapter or a projector.
 */
export async function readGguf(path: string, id = idOf(path)): Promise<GgufModel> {
  const parts = partNames(basename(path)).map((name) => join(dirname(path), name));
  const read = [];
  for (const part of parts) read.push(await readPart(part, parts.length > 1));
  const first = read[0]!;
  const architecture = first.metadata.get('general.architecture');
  if (typeof architecture !== 'string') throw badGguf(path, 'it names no general.architecture');
  const type = first.metadata.get('general.type') ?? 'model';
  if (type !== 'model' || architecture === 'clip') {
    throw new TokenworkError(
      'not-a-decoder',
      `${path} is no model but ${type === 'adapter' ? 'an adapter (LoRA)' : `a ${type === 'model' ? 'projector' : type}`}, which adds to one.`,
      'Name the GGUF file of the model itself.',
    );
  }
  const tensors = read.flatMap((part) => part.tensors);
  const blocks = new Set(tensors.flatMap(({ name }) => /^blk\.(\d+)\./.exec(name)?.[1] ?? [])).size;
  const said = first.metadata.get(`${architecture}.block_count`);
  // Before a graph of so many layers is made.
  if (said !== undefined && said !== blocks) {
    throw badGguf(path, `its metadata names ${String(said)} blocks, and its tensors are of ${blocks}`);
  }
  const [head, table] = ['output.weight', 'token_embd.weight'].map((name) =>
    tensors.find((tensor) => tensor.name === name),
  );
  const repeatsEmbeddings = head !== undefined && table !== undefined && (await sameData(head, table));
  const { metadata, tokens } = first;
  return { id, architecture, metadata, tokens, tensors, paths: parts, repeatsEmbeddings };
}

function idOf(path: string): string {
  return plainText(basename(path, '.gguf').replace(/-\d{5}-of-\d{5}$/, ''));
}

async function readPart(
  path: string,
  isPart: boolean,
): Promise<Pick<GgufModel, 'metadata' | 'tokens' | 'tensors'>> {
  const found = await stat(path).catch(otherwise(null, 'looking for a GGUF file'));
  if (!found?.isFile()) {
    throw new TokenworkError(
      'gguf-part-missing',
      `${path} is not there${isPart ? ', and a split model needs all of its parts' : ''}.`,
      'Put all parts of the model into one folder, under the names they were published with.',
    );
  }
  let parsed: GGUFParseOutput;
  try {
    parsed = await gguf(path, { allowLocalFile: true });
  } catch (cause) {
    throw badGguf(path, plainStrings(messageOf(cause)), cause);
  }
  // What lies behind the end is read as zeros.
  if (parsed.tensorDataOffset > found.size)
    throw badGguf(path, `its header ends at byte ${parsed.tensorDataOffset}, and the file at ${found.size}`);
  const tensors = parsed.tensorInfos.map((info) => tensorOf(info, path, parsed.tensorDataOffset));
  for (const { name, offset, bytes } of tensors) {
    if (offset + bytes <= found.size) continue;
    throw badGguf(path, `its tensor ${name} ends at byte ${offset + bytes}, and the file at ${found.size}`);
  }
  const metadata = new Map(
    Object.entries(parsed.metadata as Record<string, unknown>).map(([key, value]) => [
      plainText(key),
      // Vocabularies are long, and no list is printed.
      Array.isArray(value) ? value : plainStrings(value),
    ]),
  );
  const tokens = metadata.get('tokenizer.ggml.tokens');
  const areTexts = Array.isArray(tokens) && tokens.every((token) => typeof token === 'string');
  return { metadata, tokens: areTexts ? (tokens as string[]) : null, tensors };
}

function tensorOf(
  info: GGUFParseOutput['tensorInfos'][number],
  path: string,
  dataOffset: bigint,
): GgufTensor {
  const name = plainStrings(info.name);
  const type = findBlockType(info.dtype);
  if (type === undefined) throw badGguf(path, `its tensor ${name} is of the unknown type ${info.dtype}`);
  const shape = info.shape.map(Number);
  const elements = shape.reduce((product, dim) => product * dim, 1);
  const row = shape[0] ?? 1;
  if (!Number.isSafeInteger(elements) || elements < 1 || row % type.elements !== 0) {
    throw badGguf(path, `its tensor ${name} of shape [${shape.join(', ')}] cannot be of type ${type.name}`);
  }
  const bytes = (elements / type.elements) * type.bytes;
  return { name, shape, elements, type: type.name, bytes, path, offset: Number(dataOffset + info.offset) };
}

/** Compares piece by piece, so that what differs, as it mostly does, is hardly read. */
async function sameData(one: GgufTensor, other: GgufTensor): Promise<boolean> {
  if (one.type !== other.type || one.bytes !== other.bytes) return false;
  const files: FileHandle[] = [];
  try {
    for (const { path } of [one, other]) files.push(await open(path));
    const pieces = [one, other].map(() => Buffer.alloc(Math.min(one.bytes, 2 ** 20)));
    for (let done = 0; done < one.bytes; done += pieces[0]!.length) {
      const length = Math.min(pieces[0]!.length, one.bytes - done);
      for (const [index, { offset }] of [one, other].entries())
        await files[index]!.read(pieces[index]!, 0, length, offset + done);
      if (pieces[0]!.compare(pieces[1]!, 0, length, 0, length) !== 0) return false;
    }
    return true;
  } finally {
    for (const file of files) await file.close();
  }
}

/** The error about a file that cannot be read, or run, for that reason. */
export function badGguf(path: string, reason: string, cause?: unknown): TokenworkError {
  return new TokenworkError(
    'bad-gguf',
    `${path} cannot be read as a GGUF file: ${reason}.`,
    'Download it again; if that does not help, it may be of a format newer than this tokenwork.',
    { cause },
  );
}
