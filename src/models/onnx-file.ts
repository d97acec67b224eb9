import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, TokenworkError } from '../core/errors.js';

/** One number format of a model, as transformers.js names its file. */
export interface OnnxFile {
  path: string;
  /** `fp32`, `int8`, `q4f16` …: what the file name says. */
  dtype: string;
}

/** transformers.js calls dynamically quantised int8 files `model_quantized.onnx`. */
const quantizedSuffix = '_quantized';

/** Graphs that read a prompt and grow a cache, as exporters name them; where there are several, the first counts. */
const decoderNames = ['model', 'decoder_model_merged', 'decoder_model'];

/** Tried in this order where no dtype is asked for: the most exact first. */
const preference = ['fp32', 'fp16', 'int8', 'q4'];

/**
 * The decoders in a folder's `onnx/`, most exact first; empty where there is none.
 * Throws TokenworkError `model-unreadable` where the folder cannot be read.
 */
export async function listOnnxFiles(directory: string): Promise<OnnxFile[]> {
  const folder = join(directory, 'onnx');
  const found = new Map<string, string>();
  for (const stem of decoderNames) {
    for (const name of (await namesIn(folder)).sort()) {
      const dtype = dtypeOf(name, stem);
      // Where both are there, model_int8.onnx is the one transformers.js gives for "int8".
      if (dtype !== null && !found.has(dtype)) found.set(dtype, join(folder, name));
    }
  }
  return [...found]
    .map(([dtype, path]) => ({ dtype, path }))
    .sort((a, b) => rank(a.dtype) - rank(b.dtype) || a.dtype.localeCompare(b.dtype));
}

/** Whether a folder holds any ONNX file, decoder or not: then it has weights, and is no mere description. */
export async function holdsOnnx(directory: string): Promise<boolean> {
  return (await onnxNames(directory)).length > 0;
}

/** ONNX files in a folder and its `onnx/`, as paths from the folder. */
async function onnxNames(directory: string): Promise<string[]> {
  const inside = (await namesIn(join(directory, 'onnx'))).map((name) => `onnx/${name}`);
  const names = [...inside, ...(await namesIn(directory))];
  return names.filter((name) => /\.(onnx|ort)$/i.test(name));
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new TokenworkError(
      'model-unreadable',
      `${folder} could not be read: ${messageOf(cause)}.`,
      'Check that the folder can be read by you.',
      { cause },
    );
  }
}

/**
 * The file of the dtype asked for, or the most exact one where none is asked for.
 * Throws TokenworkError `no-onnx` or `dtype-missing`, naming those that are there.
 */
export async function chooseOnnxFile(
  directory: string,
  files: OnnxFile[],
  dtype: string | undefined,
): Promise<OnnxFile> {
  const [mostExact] = files;
  if (mostExact === undefined) {
    const others = await onnxNames(directory);
    const beside = others.length > 0 ? `, but ${others.slice(0, 8).join(', ')}` : '';
    throw new TokenworkError(
      'no-onnx',
      `${directory} holds no ONNX decoder (${decoderNames.map((name) => `onnx/${name}*.onnx`).join(', ')})${beside}.`,
      others.length > 0
        ? 'Put the decoder into onnx/ under one of these names, or name its config.json to profile its shape.'
        : 'Export the model to ONNX in transformers.js layout, or name its config.json to profile its shape.',
    );
  }
  if (dtype === undefined) return mostExact;
  const chosen = files.find((file) => file.dtype === dtype);
  if (chosen) return chosen;
  throw new TokenworkError(
    'dtype-missing',
    `${directory} has no ${dtype} model in its onnx/ folder.`,
    `It has ${files.map((file) => file.dtype).join(', ')}: choose one of these with --dtype.`,
  );
}

/** The variant in a file name: q4f16 of `model_q4f16.onnx` with the stem `model`. */
function dtypeOf(name: string, stem: string): string | null {
  const [, own, suffix = '_fp32'] = /^(.*?)(_[a-z0-9]+)?\.onnx$/.exec(name.slice(stem.length)) ?? [];
  if (!name.startsWith(stem) || own !== '' || suffix === '_merged') return null;
  return suffix === quantizedSuffix ? 'int8' : suffix.slice(1);
}

function rank(dtype: string): number {
  const index = preference.indexOf(dtype);
  return index < 0 ? preference.length : index;
}
