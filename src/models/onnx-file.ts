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
const quantizedName = 'model_quantized.onnx';

/** Tried in this order where no dtype is asked for: the most exact first. */
const preference = ['fp32', 'fp16', 'int8', 'q4'];

/**
 * The decoders in a folder's `onnx/`, most exact first; empty where there is none.
 * Throws TokenworkError `model-unreadable` where the folder cannot be read.
 */
export async function listOnnxFiles(directory: string): Promise<OnnxFile[]> {
  const folder = join(directory, 'onnx');
  let names: string[];
  try {
    names = await readdir(folder);
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
  const found = new Map<string, string>();
  for (const name of names.sort()) {
    const dtype = dtypeOf(name);
    // Where both are there, model_int8.onnx is the one transformers.js gives for "int8".
    if (dtype !== null && (name !== quantizedName || !found.has(dtype))) found.set(dtype, join(folder, name));
  }
  return [...found]
    .map(([dtype, path]) => ({ dtype, path }))
    .sort((a, b) => rank(a.dtype) - rank(b.dtype) || a.dtype.localeCompare(b.dtype));
}

/**
 * The file of the dtype asked for, or the most exact one where none is asked for.
 * Throws TokenworkError `no-onnx` or `dtype-missing`, naming those that are there.
 */
export function chooseOnnxFile(directory: string, files: OnnxFile[], dtype: string | undefined): OnnxFile {
  const [mostExact] = files;
  if (mostExact === undefined) {
    throw new TokenworkError(
      'no-onnx',
      `${directory} holds no ONNX decoder (onnx/model*.onnx).`,
      'Export the model to ONNX in transformers.js layout, or name its config.json to profile its shape.',
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

function dtypeOf(name: string): string | null {
  if (name === quantizedName) return 'int8';
  const match = /^model(?:_([a-z0-9]+))?\.onnx$/.exec(name);
  return match ? (match[1] ?? 'fp32') : null;
}

function rank(dtype: string): number {
  const index = preference.indexOf(dtype);
  return index < 0 ? preference.length : index;
}
