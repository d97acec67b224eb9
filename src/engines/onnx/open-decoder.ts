/**
 * onnx/ runs decoders in this process with ONNX Runtime. `native/` is the measuring back end, `node/`
 * the portable fallback; both implement the same `Decoder`, and which one ran is in every record.
 */
import { messageOf, TokenworkError } from '../../core/errors.js';
import type { DecoderGraph } from '../../models/decoder-graph.js';
import type { Decoder, EngineOptions } from '../engine.js';
import { NativeDecoder } from './native/decoder.js';
import { NodeDecoder } from './node/decoder.js';

export { requestTermination } from './native/decoder.js';

/** What an engine needs of a model: a part of `ModelFolder`. */
export interface DecoderModel {
  onnxPath: string;
  decoder: DecoderGraph;
  contextLength: number;
}

/** Environment variable that decides where the caller leaves the choice to us. */
export const backendVariable = 'TOKENWORK_BACKEND';

/**
 * Opens a model. With `backend: 'auto'`, `TOKENWORK_BACKEND` decides if it is set; else the native back
 * end is taken where it loads, and the Node binding where it does not. `sharedHandle`: the session of a
 * decoder of another thread (native only), which that thread closes after this one.
 *
 * Throws TokenworkError `native-unavailable` (where native was asked for), `unknown-backend`, or what
 * `openingError` makes of a model that does not open.
 */
export async function openDecoder(
  model: DecoderModel,
  options: EngineOptions & { sharedHandle?: bigint },
): Promise<Decoder> {
  const { backend, reason } = chosenBackend(options.backend);
  if (options.device !== undefined && options.device !== 'cpu') return openOnGpu(model, options, backend);
  if (backend === 'node') return NodeDecoder.load(model, { ...options, backendReason: reason });
  try {
    return new NativeDecoder(model, { ...options, backendReason: reason });
  } catch (error) {
    const unavailable = error instanceof TokenworkError && error.code === 'native-unavailable';
    if (backend === 'native' || !unavailable || options.sharedHandle !== undefined) throw error;
    return NodeDecoder.load(model, {
      ...options,
      backendReason: `the native back end is not available: ${messageOf(error)}`,
    });
  }
}

/** Only the C API keeps the KV cache where it is computed and lets us say what is read back. */
function openOnGpu(
  model: DecoderModel,
  options: EngineOptions & { sharedHandle?: bigint },
  backend: EngineOptions['backend'],
): Decoder {
  if (backend === 'node')
    throw new TokenworkError(
      'device-needs-native',
      `The Node binding was asked for, and it runs models on the CPU only.`,
      'Leave out --backend, or run with --device cpu.',
    );
  return new NativeDecoder(model, { ...options, backendReason: 'the C API keeps the KV cache on the GPU' });
}

function chosenBackend(asked: EngineOptions['backend']): {
  backend: EngineOptions['backend'];
  reason: string;
} {
  if (asked !== 'auto') return { backend: asked, reason: 'asked for by the caller' };
  const variable = process.env[backendVariable];
  if (variable === undefined || variable === '' || variable === 'auto')
    return { backend: 'auto', reason: 'the C API loads, and keeps the KV cache without copies' };
  if (variable !== 'native' && variable !== 'node')
    throw new TokenworkError(
      'unknown-backend',
      `${backendVariable} is "${variable}".`,
      'Set it to native, node or auto.',
    );
  return { backend: variable, reason: `asked for by ${backendVariable}` };
}
