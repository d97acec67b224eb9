import type { Encoder, OnnxOptions } from '../engine.js';
import { openOnBackEnd } from './back-end-choice.js';
import { NativeEncoder } from './native/encoder.js';
import { NodeEncoder } from './node/encoder.js';
import type { EncoderModel } from './onnx-encoder.js';

/** Opens an encoder; the back end is chosen, sessions are shared and errors thrown as by `openDecoder`. */
export async function openEncoder(
  model: EncoderModel,
  options: OnnxOptions & { sharedHandle?: bigint },
): Promise<Encoder> {
  return openOnBackEnd<Encoder>(options, {
    native: (backendReason) => new NativeEncoder(model, { ...options, backendReason }),
    node: (backendReason) => NodeEncoder.load(model, { ...options, backendReason }),
  });
}
