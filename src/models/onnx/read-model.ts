import { readFile, stat } from 'node:fs/promises';
import { messageOf, TokenworkError } from '../../core/errors.js';
import { decodeModel, type ModelProto } from './proto.js';

const exportHint =
  'Give a file written by an ONNX exporter, such as onnx/model.onnx of a transformers.js folder.';

/** Beginnings of files that are no ONNX model, and what to do about each. */
const impostors: { begins: RegExp; what: string; hint: string }[] = [
  {
    begins: /^version https:\/\/git-lfs\.github\.com\//,
    what: 'is a Git LFS pointer, not the model it points to',
    hint: 'Run `git lfs pull` in that repository, or download the file itself.',
  },
  {
    begins: /^\s*<(!doctype|html|\?xml)/i,
    what: 'is a web page, not a model',
    hint: 'A download saved the page around the file, or an error page: download the raw file again.',
  },
  { begins: /^\s*[{[]/, what: 'is JSON, not an ONNX model', hint: exportHint },
  {
    begins: /^GGUF/,
    what: 'is a GGUF model, not an ONNX model',
    hint: 'Use the ONNX export of the same model, or name its config.json to profile its shape.',
  },
  {
    begins: /^.{4}ORTM/s,
    what: 'is in ONNX Runtime’s own ORT format, which holds no ONNX graph',
    hint: 'Use the .onnx file it was converted from.',
  },
  {
    begins: /^PK/,
    what: 'is a zip archive (a PyTorch checkpoint is one), not an ONNX model',
    hint: exportHint,
  },
];

/**
 * Reads an ONNX model's graph and the initializers stored inside the file; external data stays unread.
 * Throws TokenworkError `model-missing`, `model-unreadable`, `model-empty`, `model-truncated` or
 * `model-not-onnx`.
 */
export async function readModel(path: string): Promise<ModelProto> {
  return parseModel(await readBytes(path), path);
}

/** The model that the bytes of `path` hold; throws as `readModel` does. */
export function parseModel(bytes: Uint8Array, path: string): ModelProto {
  if (bytes.length === 0) {
    throw new TokenworkError('model-empty', `${path} is empty.`, 'Download or export the model again.');
  }
  const opening = Buffer.from(bytes.subarray(0, 256)).toString('latin1');
  const impostor = impostors.find(({ begins }) => begins.test(opening));
  if (impostor) throw new TokenworkError('model-not-onnx', `${path} ${impostor.what}.`, impostor.hint);
  let model: ModelProto;
  try {
    model = decodeModel(bytes);
  } catch (cause) {
    if (cause instanceof RangeError) throw truncated(path, cause);
    throw notOnnx(path, messageOf(cause), cause);
  }
  // Every byte string of the right shape decodes as some message; a model has a graph that yields something.
  if (!model.graph) throw notOnnx(path, 'it holds no graph');
  if (!model.irVersion && !model.opsetImport?.length) throw notOnnx(path, 'it names no IR version or opset');
  if (!model.graph.output?.length) throw truncated(path);
  return model;
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    if ((await stat(path)).isDirectory()) {
      throw new TokenworkError('model-unreadable', `${path} is a folder, not a model file.`, exportHint);
    }
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof TokenworkError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new TokenworkError('model-missing', `There is no model file ${path}.`, 'Check the path.', {
        cause,
      });
    }
    const hint =
      code === 'ERR_FS_FILE_TOO_LARGE'
        ? 'An ONNX file ends at 2 GiB; export larger weights as external data.'
        : 'Check that the file can be read by you.';
    throw new TokenworkError('model-unreadable', `${path} could not be read: ${messageOf(cause)}.`, hint, {
      cause,
    });
  }
}

function truncated(path: string, cause?: unknown): TokenworkError {
  return new TokenworkError(
    'model-truncated',
    `${path} ends in the middle of the model, or was damaged on the way.`,
    'Download or export it again and compare the file size with the source.',
    { cause },
  );
}

function notOnnx(path: string, why: string, cause?: unknown): TokenworkError {
  return new TokenworkError('model-not-onnx', `${path} is not an ONNX model: ${why}.`, exportHint, { cause });
}
