import { describe, expect, it } from 'vitest';
import { deviceFailure } from './failure.js';
import { deviceUnavailable } from './unavailable.js';

describe('a failure of the GPU', () => {
  it.each([
    ['VK_ERROR_DEVICE_LOST at vkQueueSubmit', 'device-lost'],
    ['WebGPU device lost (1): A valid external Instance reference no longer exists.', 'device-lost'],
    ['DXGI_ERROR_DEVICE_REMOVED', 'device-lost'],
    ['CUDA failure 700: an illegal memory access was encountered ; GPU=0', 'device-lost'],
    ['CUDA failure 719: unspecified launch failure ; GPU=0', 'device-lost'],
    ['CUDA failure 2: out of memory ; GPU=0 ; hostname=x', 'device-out-of-memory'],
    ['Available memory of 123456 is smaller than requested bytes of 999999999', 'device-out-of-memory'],
    ['Failed to allocate memory for requested buffer of size 8388608', 'device-out-of-memory'],
    ['VK_ERROR_OUT_OF_DEVICE_MEMORY', 'device-out-of-memory'],
    ['Too many storage buffers in shader. Current: 26, Max is 16', 'device-limit'],
    ['Buffer size (5000000000) exceeds the max buffer size limit (4294967296).', 'device-limit'],
  ])('%s is %s', (message, code) => {
    const failure = deviceFailure(`Non-zero status code returned while running MatMul node. ${message}`);
    expect(failure).toMatchObject({ code, exitCode: 3, message: expect.stringContaining(message) });
    expect(failure!.hint).not.toBe('');
  });

  it.each(['Got invalid dimensions for input: x', 'Node (Add_3) Op (Add) failed: 700 dimensions', ''])(
    '%j is none',
    (message) => {
      expect(deviceFailure(message)).toBeNull();
    },
  );
});

describe('a GPU that does not open', () => {
  const library = (name: string, part: string, found: boolean, remedy: string) => ({
    name,
    part,
    found,
    remedy,
  });

  it('names every missing library and each remedy once', () => {
    const error = deviceUnavailable('cuda', 'Failed to load shared library', [
      library('libcudart.so.12', 'CUDA 12', false, 'install CUDA'),
      library('libcublas.so.12', 'CUDA 12', false, 'install CUDA'),
      library('libcudnn.so.9', 'cuDNN 9', false, 'install cuDNN'),
      library('libcuda.so.1', 'NVIDIA driver', true, 'install the driver'),
    ]);
    expect(error.message).toBe(
      'CUDA does not open: libcudart.so.12 (CUDA 12), libcublas.so.12 (CUDA 12), libcudnn.so.9 (cuDNN 9) are missing.',
    );
    expect(error.hint).toMatch(/^Do this: install CUDA; install cuDNN\. Or run with --device cpu/);
  });

  it('passes on what ONNX Runtime said where all libraries are there', () => {
    const said = '/src/webgpu_context.cc:136 f() status == Success was false. No supported adapters\n';
    const error = deviceUnavailable('webgpu', said, [library('libvulkan.so.1', 'Vulkan', true, '')]);
    expect(error).toMatchObject({
      code: 'device-unavailable',
      message: 'WebGPU does not open: No supported adapters.',
    });
  });
});
