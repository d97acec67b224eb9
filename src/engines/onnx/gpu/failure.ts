import type { ErrorCode } from '../../../core/codes.js';
import { TokenworkError } from '../../../core/errors.js';

/** Dawn on Vulkan, Direct3D and Metal; CUDA's codes 46, 100, 214, 700, 716, 719 and 999. */
const lost =
  /device (is |was |has been )?lost|devicelost|error_device_lost|dxgi_error_device_(hung|removed|reset)|gpu is lost|fallen off the bus|cuda\D{0,20}(46|100|214|700|716|719|999)\b|illegal memory access|unspecified launch failure|no cuda-capable device|uncorrectable ecc/i;
const outOfMemory =
  /out of (device |host )?memory|outofmemory|error_out_of_(device|host)_memory|failed to allocate memory|available memory of \d+ is smaller than requested|cudnn_status_alloc_failed|cublas_status_alloc_failed|e_outofmemory/i;
const beyondLimit =
  /too many storage buffers in shader|maxbuffersize|maxstoragebufferbindingsize|exceeds? the (max|limit)|binding size.*larger than/i;

/**
 * What a user should know of a failure of the GPU: TokenworkError `device-lost`, `device-out-of-memory` or
 * `device-limit`; null for any other.
 */
export function deviceFailure(message: string): TokenworkError | null {
  const said = message.trim().split('\n')[0]!;
  const failed = (code: ErrorCode, what: string, hint: string) =>
    new TokenworkError(code, `${what}: ${said}`, hint);
  if (outOfMemory.test(message))
    return failed(
      'device-out-of-memory',
      'The GPU has not enough memory',
      'Use a smaller model, another dtype, shorter prompts or smaller batches, or end what else uses the GPU.',
    );
  if (lost.test(message))
    return failed(
      'device-lost',
      'The GPU stopped answering',
      'See the system log (dmesg), and reset the GPU or restart the machine; `tokenwork doctor` says what it sees.',
    );
  if (beyondLimit.test(message))
    return failed(
      'device-limit',
      'A tensor is larger than the GPU takes through this interface',
      'Use shorter prompts or smaller batches, or try --device cuda, which has no such limit.',
    );
  return null;
}
