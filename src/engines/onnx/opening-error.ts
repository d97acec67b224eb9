import { TokenworkError } from '../../core/errors.js';

/**
 * What a user should know of ONNX Runtime's refusal to open `model`: TokenworkError `model-not-found`,
 * `external-data-missing`, `model-unreadable` (truncated or not ONNX) or `model-unsupported` (an
 * invalid graph, or an op that this runtime does not run). ONNX Runtime's own words are the cause.
 */
export function openingError(model: string, message: string): TokenworkError {
  const cause = new Error(message.trim());
  if (/external (data|initializer)/i.test(message))
    return new TokenworkError(
      'external-data-missing',
      `The weights that ${model} keeps in other files are missing or incomplete.`,
      'Put every file that belongs to the model beside it (such as model.onnx_data), or download it again.',
      { cause },
    );
  if (/File doesn't exist|No such file/i.test(message))
    return new TokenworkError(
      'model-not-found',
      `There is no model at ${model}.`,
      'Check the path; `tokenwork models list` names the models that can be built.',
      { cause },
    );
  if (/Protobuf parsing failed|does not have a graph/i.test(message))
    return new TokenworkError(
      'model-unreadable',
      `${model} is truncated or not an ONNX model.`,
      'Download or build it again.',
      { cause },
    );
  return new TokenworkError(
    'model-unsupported',
    `ONNX Runtime cannot run ${model}: ${cause.message}`,
    'Try another dtype or graph variant of the model, or an export made for ONNX Runtime on this device.',
    { cause },
  );
}
