/**
 * onnx/ runs decoders in this process with ONNX Runtime. `native/` is the measuring back end, `node/`
 * the portable fallback; both implement the same `Decoder`, and which one ran is in every record.
 */
import type { DecoderGraph } from '../../models/decoder-graph.js';
import type { Decoder, OnnxOptions } from '../engine.js';
import { openOnBackEnd } from './back-end-choice.js';
import { NativeDecoder } from './native/decoder.js';
import { NodeDecoder } from './node/decoder.js';

export { requestTermination } from './native/run-options.js';

/** The part of `ModelFolder` that an engine needs. */
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
 * Throws as `openOnBackEnd`, or what `openingError` makes of a model that does not open.
 */
export async function openDecoder(
  model: DecoderModel,
  options: OnnxOptions & { sharedHandle?: bigint },
): Promise<Decoder> {
  return openOnBackEnd<Decoder>(options, {
    native: (backendReason) => new NativeDecoder(model, { ...options, backendReason }),
    node: (backendReason) => NodeDecoder.load(model, { ...options, backendReason }),
  });
}
