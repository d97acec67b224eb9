import { describe, expect, it } from 'vitest';
import { deviceUnavailable } from './unavailable.js';

// As ONNX Runtime reports it (issue 316 of onnxruntime/mobius, abridged), with the texts of CUDA's own list of errors.
const failure = (code: number, text: string) =>
  `/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:114 std::conditional_t<THRW, void, common::Status> onnxruntime::CudaCall(ERRTYPE, const char*, const char*, int) [with ERRTYPE = cudaError; bool THRW = true] CUDA failure ${code}: ${text} ; GPU=-1 ; hostname=c4327188c000000 ; file=/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider.cc ; line=336 ; expr=cudaSetDevice(info_.device_id); \n`;
const here = { name: 'libcudnn.so.9', part: 'cuDNN 9', remedy: 'get it', found: true };

describe('CUDA that does not open', () => {
  it.each([
    [35, 'CUDA driver version is insufficient for CUDA runtime version', /driver is older.*525 or newer/],
    [100, 'no CUDA-capable device is detected', /CUDA_VISIBLE_DEVICES.*--gpus all/],
    [209, 'no kernel image is available for execution on the device', /--device webgpu/],
    [803, 'system has unsupported display driver / cuda driver combination', /restart the machine/],
  ])('says what failed, without its place in the source, and what helps: %i', (code, text, hint) => {
    const { message, hint: said } = deviceUnavailable('cuda', failure(code, text), [here]);
    expect(message).toBe(`CUDA does not open: CUDA failure ${code}: ${text}.`);
    expect(said).toMatch(hint);
    expect(said).toContain('--device cpu');
  });

  it('says that cuDNN comes in parts', () => {
    const { hint } = deviceUnavailable(
      'cuda',
      'CUDNN failure 1001: CUDNN_STATUS_NOT_INITIALIZED ; GPU=0 ; hostname=x',
      [here],
    );
    expect(hint).toContain('libcudnn_ops');
  });

  it('names missing libraries before anything else', () => {
    const error = deviceUnavailable('cuda', failure(35, 'CUDA driver version is insufficient'), [
      { ...here, found: false },
    ]);
    expect(error.message).toBe('CUDA does not open: libcudnn.so.9 (cuDNN 9) is missing.');
    expect(error.hint).toContain('Do this: get it.');
  });
});
