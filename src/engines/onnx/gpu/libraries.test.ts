import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { deviceLibraries } from './libraries.js';

const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-libraries-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function hasCompiler(): boolean {
  return spawnSync('cc', ['--version']).status === 0;
}

describe.skipIf(process.platform !== 'linux')('the libraries of a GPU', () => {
  it('are none for the CPU, and Vulkan’s loader for WebGPU', () => {
    expect(deviceLibraries('cpu')).toEqual([]);
    expect(deviceLibraries('webgpu', () => false)).toMatchObject([{ name: 'libvulkan.so.1', found: false }]);
  });

  it('are for CUDA its provider, the driver, CUDA 12 and cuDNN 9, each asked for by name', () => {
    const asked: string[] = [];
    const libraries = deviceLibraries('cuda', (name) => asked.push(name) > 0);
    expect(asked).toEqual(expect.arrayContaining(['libcuda.so.1', 'libcublasLt.so.12', 'libcudnn.so.9']));
    expect(new Set(libraries.map(({ part }) => part))).toEqual(
      new Set(['CUDA provider of ONNX Runtime', 'NVIDIA driver', 'CUDA 12', 'cuDNN 9']),
    );
  });
});

describe.skipIf(process.platform !== 'linux' || process.arch !== 'x64' || !hasCompiler())(
  'npm run setup:gpu -- --check --onnx-cuda',
  () => {
    const script = fileURLToPath(new URL('../../../../scripts/setup-gpu.js', import.meta.url));
    const check = (folder: string) =>
      spawnSync(process.execPath, [script, '--check', '--onnx-cuda'], {
        encoding: 'utf8',
        env: { ...process.env, LD_LIBRARY_PATH: folder },
      });

    it('finds the libraries of a folder, takes no file for one, and names what is missing', () => {
      const folder = join(scratch, 'cuda');
      mkdirSync(folder);
      const source = join(scratch, 'empty.c');
      writeFileSync(source, '');
      for (const name of ['libcudart.so.12', 'libcublas.so.12', 'libcufft.so.11', 'libcurand.so.10'])
        execFileSync('cc', ['-shared', '-fPIC', '-o', join(folder, name), source]);
      writeFileSync(join(folder, 'libcudnn.so.9'), 'not a library');
      const { status, stdout, stderr } = check(folder);
      expect(stdout).toContain('found    libcudart.so.12  (CUDA 12)');
      expect(stdout).toContain('MISSING  libcublasLt.so.12  (CUDA 12)');
      expect(stdout).toContain('MISSING  libcudnn.so.9  (cuDNN 9)');
      expect(stderr).toMatch(/Missing: .*libcublasLt\.so\.12.*libcudnn\.so\.9/);
      expect(stderr).toContain('pip install nvidia-cuda-runtime-cu12');
      expect(status).toBe(3);
    });
  },
);
