import { TokenworkError } from '../../../core/errors.js';
import { runtimeRemedy } from '../native/library.js';

export type Binding = typeof import('onnxruntime-node');

/**
 * Loads onnxruntime-node's binding, a native library, only when it is used. Throws TokenworkError
 * `binding-unavailable`.
 */
export async function loadBinding(): Promise<Binding> {
  try {
    return await import('onnxruntime-node');
  } catch (cause) {
    throw new TokenworkError(
      'binding-unavailable',
      `onnxruntime-node does not load on ${process.platform}/${process.arch}.`,
      runtimeRemedy(process.platform, process.arch),
      { cause },
    );
  }
}
