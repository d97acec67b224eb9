import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type CudaSight, findCudaRuntime } from './cuda-runtime.js';
import { findLlama, LLAMA_VERSION, packageFor } from './packages.js';
import { cudaFolder, elf, nowhere, scratch, sightOf } from './packages.test-support.js';

const own = ['libggml-base.so', 'libggml-cpu-haswell.so'];
const cpu = [...own, 'libggml.v0.5.0.so', 'libllama.v0.5.0.so', 'libllama-common.so'];
const vulkan = [...own, 'libggml.vulkan.v0.5.0.so', 'libllama.vulkan.v0.5.0.so', 'libggml-vulkan.so'];

it('names the package of each platform and device, and none where none is published', () => {
  expect(packageFor('cpu', 'linux', 'x64')).toBe('@node-llama-cpp/linux-x64');
  expect(packageFor('vulkan', 'win32', 'x64')).toBe('@node-llama-cpp/win-x64-vulkan');
  expect(packageFor('cuda', 'linux', 'x64')).toBe('@node-llama-cpp/linux-x64-cuda');
  expect(packageFor('cuda', 'linux', 'x64', 12)).toBe('@node-llama-cpp/linux-x64-cuda-ext');
  expect(packageFor('metal', 'darwin', 'arm64')).toBe('@node-llama-cpp/mac-arm64-metal');
  expect(packageFor('metal', 'darwin', 'x64')).toBeNull();
  expect(packageFor('vulkan', 'linux', 'arm64')).toBeNull();
  expect(packageFor('cpu', 'freebsd', 'x64')).toBeNull();
});

it('finds the libraries of the CPU by name, whatever release they are of', () => {
  const sight = sightOf({ 'linux-x64': cpu });
  const folder = join(sight.roots[1]!, '@node-llama-cpp/linux-x64/bins/linux-x64');
  expect(findLlama('cpu', sight)).toEqual({
    folder,
    version: LLAMA_VERSION,
    llama: join(folder, 'libllama.v0.5.0.so'),
    ggml: join(folder, 'libggml.v0.5.0.so'),
    ggmlBase: join(folder, 'libggml-base.so'),
    backEnd: null,
    preload: [],
  });
  expect(findLlama('vulkan', sight)).toBeNull();
  expect(findLlama('cuda', sight)).toBeNull();
});

it('loads a GPU’s back end into the CPU’s package of the same version, else into its own', () => {
  const both = findLlama('vulkan', sightOf({ 'linux-x64': cpu, 'linux-x64-vulkan': ['libggml-vulkan.so'] }))!;
  expect(both.llama).toMatch(/linux-x64\/libllama\.v0\.5\.0\.so$/);
  expect(both.backEnd).toMatch(/linux-x64-vulkan\/libggml-vulkan\.so$/);
  const alone = findLlama('vulkan', sightOf({ 'linux-x64-vulkan': vulkan }))!;
  expect(alone.llama).toMatch(/libllama\.vulkan\.v0\.5\.0\.so$/);
  const older = sightOf({ 'linux-x64': cpu }, { version: '3.0.0' });
  const mixed = sightOf({ 'linux-x64-vulkan': vulkan });
  const { llama, version } = findLlama('vulkan', { ...mixed, roots: [...older.roots, ...mixed.roots] })!;
  expect(llama).toContain('vulkan');
  expect(version).toBe(LLAMA_VERSION);
});

it('takes the CUDA back end whose runtime is there, and says what to load before it', () => {
  const packages = {
    'linux-x64': cpu,
    'linux-x64-cuda': ['libggml-cuda.so'],
    'linux-x64-cuda-ext': ['fallback/libggml-cuda.so'],
  };
  const folder = cudaFolder('cuda-12/lib64', 12);
  const with12 = sightOf(packages, { cuda: { ...nowhere, environment: { CUDA_HOME: join(folder, '..') } } });
  const found = findLlama('cuda', with12)!;
  expect(found.backEnd).toMatch(/linux-x64-cuda-ext\/bins\/linux-x64-cuda\/fallback\/libggml-cuda\.so$/);
  expect(found.preload).toEqual(
    ['cudart', 'cublasLt', 'cublas'].map((name) => join(folder, `lib${name}.so.12`)),
  );
  expect(findLlama('cuda', sightOf(packages))!.backEnd).toMatch(/linux-x64-cuda\/libggml-cuda\.so$/);
});

it('searches for CUDA where loaders, toolkits and Python environments keep it', () => {
  const places: [CudaSight, string][] = [];
  const place = (path: string, sight: Partial<CudaSight>) =>
    places.push([{ ...nowhere, ...sight }, cudaFolder(path, 13)]);
  place('ld', { environment: { LD_LIBRARY_PATH: `/nowhere:${join(scratch, 'ld')}` } });
  place('toolkit/lib64', { environment: { CUDA_PATH: join(scratch, 'toolkit') } });
  place('system/usr/local/cuda-13.0/lib64', { root: join(scratch, 'system') });
  place('venv/lib/python3.12/site-packages/nvidia/cu13/lib', {
    environment: { VIRTUAL_ENV: join(scratch, 'venv') },
  });
  place('conda/lib', { environment: { CONDA_PREFIX: join(scratch, 'conda') } });
  place('site/nvidia/cu13/lib', {
    ask: (program) => (program === 'python3' ? JSON.stringify([join(scratch, 'site')]) : null),
  });
  place('cache', {
    ask: (program) =>
      program === 'ldconfig'
        ? `\tlibcudart.so.13 (libc6,x86-64) => ${join(scratch, 'cache')}/libcudart.so.13\n`
        : null,
  });
  for (const [sight, folder] of places) {
    const { files, missing } = findCudaRuntime(13, sight);
    expect(missing).toEqual([]);
    expect(files[0]).toBe(join(folder, 'libcudart.so.13'));
    expect(findCudaRuntime(12, sight).missing).toHaveLength(3);
  }
});

it('puts libraries of several folders together, and takes no text or other machine’s file for one', () => {
  const first = cudaFolder('split/runtime', 12, ['cudart']);
  const second = cudaFolder('split/blas', 12, ['cublas']);
  writeFileSync(join(first, 'libcublas.so.12'), 'not a library');
  writeFileSync(join(first, 'libcublasLt.so.12'), elf(183));
  const sight = { ...nowhere, environment: { LD_LIBRARY_PATH: `${first}:${second}` } };
  expect(findCudaRuntime(12, sight)).toEqual({
    files: [join(first, 'libcudart.so.12'), join(second, 'libcublas.so.12')],
    missing: ['libcublasLt.so.12'],
  });
});
