/**
 * onnx/ runs decoders in this process with ONNX Runtime. `native/` is the measuring back end, `node/`
 * the portable fallback; both implement the same `Decoder`, and which one ran is in every record.
 */
import { TokenworkError } from '../../core/errors.js';
import type { DecoderGraph } from '../../models/decoder-graph.js';
import type { Decoder, EngineOptions } from '../engine.js';
import { chosenBackend, openOnBackEnd } from './back-end-choice.js';
import { NativeDecoder } from './native/decoder.js';
import { NodeDecoder } from './node/decoder.js';

export { requestTermination } from './native/run-options.js';

/** What an engine needs of a model: a part of `ModelFolder`. */
export interface DecoderModel {
  onnxPath: string;
  decoder: DecoderGraph;
  contextLength: number;
}

export { backendVariable } from './back-end-choice.js';

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
  if (options.device !== undefined && options.device !== 'cpu') return openOnGpu(model, options);
  return openOnBackEnd<Decoder>(options, {
    native: (backendReason) => new NativeDecoder(model, { ...options, backendReason }),
    node: (backendReason) => NodeDecoder.load(model, { ...options, backendReason }),
  });
}

/** Only the C API keeps the KV cache where it is computed and lets us say what is read back. */
function openOnGpu(model: DecoderModel, options: EngineOptions & { sharedHandle?: bigint }): Decoder {
  if (chosenBackend(options.backend).backend === 'node')
    throw new TokenworkError(
      'device-needs-native',
      `The Node binding was asked for, and it runs models on the CPU only.`,
      'Leave out --backend, or run with --device cpu.',
    );
  return new NativeDecoder(model, { ...options, backendReason: 'the C API keeps the KV cache on the GPU' });
}
