import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Adapter } from '../../core/records/model.js';
import { LLAMA_VERSION } from './packages.js';
import { cudaFolder, nowhere, scratch, sightOf } from './packages.test-support.js';
import { chooseSetup, type GpuSight } from './setup.js';

const adapter = (name: string, kind: Adapter['kind']): Adapter => ({
  ...{ name, kind, memoryBytes: null, largestBufferBytes: null, driver: null },
});
const geforce = adapter('NVIDIA GeForce', 'discrete');

interface Machine {
  driver?: string;
  cuda?: 12 | 13;
  adapters?: Adapter[];
  loader?: boolean;
  installed?: string[];
  root?: string;
  platform?: string;
  arch?: string;
}

function machine(made: Machine): GpuSight {
  const { driver, cuda, adapters = [], loader = true, installed = ['linux-x64'], root, ...rest } = made;
  const folder = cuda === undefined ? '' : cudaFolder(`runtime-${cuda}`, cuda);
  const sight = sightOf(Object.fromEntries(installed.map((name) => [name, ['libllama.so']])), {
    cuda: {
      ...nowhere,
      ...(root !== undefined && { root }),
      environment: { LD_LIBRARY_PATH: folder },
      ask: (program) => (program === 'nvidia-smi' && driver !== undefined ? `${driver}\n` : null),
    },
  });
  return { ...sight, loads: () => loader, vulkanAdapters: () => adapters, ...rest };
}

const named = (name: string) => `@node-llama-cpp/${name}@${LLAMA_VERSION}`;

describe('the package that fits', () => {
  it('is CUDA’s where the driver takes the runtime that is here', () => {
    const newest = chooseSetup('auto', machine({ driver: '580.65.06', cuda: 13, adapters: [geforce] }));
    expect(newest).toMatchObject({ device: 'cuda', install: [named('linux-x64-cuda')], needs: [] });
    const older = chooseSetup('auto', machine({ driver: '535.104.05', cuda: 12, adapters: [geforce] }));
    expect(older).toMatchObject({ device: 'cuda', install: [named('linux-x64-cuda-ext')], needs: [] });
  });

  it('brings the CPU’s with that of CUDA 12, which holds a back end alone', () => {
    const bare = chooseSetup('auto', machine({ driver: '580.65.06', cuda: 12, installed: [] }));
    expect(bare.install).toEqual([named('linux-x64'), named('linux-x64-cuda-ext')]);
  });

  it('is Vulkan’s where the driver is too old for the runtime, or there is none', () => {
    const tooOld = chooseSetup('auto', machine({ driver: '550.54.14', cuda: 13, adapters: [geforce] }));
    expect(tooOld).toMatchObject({ device: 'vulkan', install: [named('linux-x64-vulkan')], needs: [] });
    const amd = chooseSetup('auto', machine({ adapters: [adapter('AMD Radeon', 'discrete')] }));
    expect(amd).toMatchObject({ device: 'vulkan', needs: [] });
  });

  it('is Vulkan’s where NVIDIA’s driver brings it and only the loader lacks, which is named', () => {
    const root = join(scratch, 'with-icd');
    mkdirSync(join(root, 'etc/vulkan/icd.d'), { recursive: true });
    writeFileSync(join(root, 'etc/vulkan/icd.d/nvidia_icd.json'), '{}');
    const setup = chooseSetup('auto', machine({ driver: '535.104.05', loader: false, root }));
    expect(setup).toMatchObject({
      device: 'vulkan',
      needs: [
        { what: expect.stringContaining('libvulkan.so.1'), remedy: expect.stringContaining('libvulkan1') },
      ],
    });
  });

  it('is CUDA’s for a driver without Vulkan, with the libraries to install for that driver', () => {
    const setup = chooseSetup('auto', machine({ driver: '535.104.05' }));
    expect(setup).toMatchObject({
      device: 'cuda',
      install: [named('linux-x64-cuda-ext')],
      needs: [{ remedy: expect.stringContaining('nvidia-cublas-cu12') }],
    });
    const newer = chooseSetup('auto', machine({ driver: '590.10' }));
    expect(newer.needs[0]!.remedy).toContain('nvidia-cublas>=13,<14');
  });

  it('is none without a GPU, on a CPU that acts as one, and where none is published', () => {
    expect(chooseSetup('auto', machine({}))).toMatchObject({ device: 'cpu', install: [] });
    const software = machine({ adapters: [adapter('llvmpipe', 'software')] });
    expect(chooseSetup('auto', software).device).toBe('cpu');
    expect(chooseSetup('vulkan', software)).toMatchObject({ device: 'vulkan', needs: [] });
    const arm = machine({ arch: 'arm64', driver: '580.65.06' });
    expect(chooseSetup('auto', arm).device).toBe('cpu');
    expect(chooseSetup('vulkan', arm)).toMatchObject({ device: 'cpu', install: [] });
  });

  it('is not installed twice, and one of another version counts for none', () => {
    const there = machine({ adapters: [geforce], installed: ['linux-x64', 'linux-x64-vulkan'] });
    expect(chooseSetup('auto', there).install).toEqual([]);
    const other = sightOf({ 'linux-x64-vulkan': [] }, { version: '3.0.0' });
    expect(chooseSetup('auto', { ...there, roots: other.roots }).install).toEqual([
      named('linux-x64-vulkan'),
    ]);
  });

  it('reads the driver of a container without nvidia-smi from the kernel’s module', () => {
    const root = join(scratch, 'with-module');
    mkdirSync(join(root, 'proc/driver/nvidia'), { recursive: true });
    writeFileSync(
      join(root, 'proc/driver/nvidia/version'),
      'NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27\nGCC version:  gcc version 12.2.0\n',
    );
    expect(chooseSetup('auto', machine({ root })).seen[0]).toBe('NVIDIA driver: 580.65.06');
  });
});

describe.skipIf(process.platform !== 'linux' || process.arch !== 'x64')('npm run setup:gpu', () => {
  const script = fileURLToPath(new URL('../../../scripts/setup-gpu.js', import.meta.url));
  const run = (args: string[], env: NodeJS.ProcessEnv = {}) =>
    spawnSync(process.execPath, [script, ...args], {
      encoding: 'utf8',
      env: {
        ...process.env,
        VIRTUAL_ENV: '',
        CONDA_PREFIX: '',
        TOKENWORK_CACHE: join(scratch, 'cache'),
        ...env,
      },
    });

  it('says with --check what it found and what lacks, and installs nothing', () => {
    const bin = join(scratch, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'nvidia-smi'), '#!/bin/sh\necho 535.104.05\n');
    chmodSync(join(bin, 'nvidia-smi'), 0o755);
    const { status, stdout, stderr } = run(['--check', '--device', 'cuda'], {
      PATH: `${bin}${delimiter}${process.env.PATH}`,
      LD_LIBRARY_PATH: cudaFolder('for-script', 12, ['cudart']),
    });
    expect(stdout).toContain('NVIDIA driver: 535.104.05');
    expect(stdout).toContain('CUDA 12: without libcublasLt.so.12, libcublas.so.12');
    expect(stderr).toContain('Needed: the libraries of CUDA 12');
    expect(stderr).toContain('npm run setup:gpu -- --device cuda');
    expect(status).toBe(3);
  });

  it('explains itself, and refuses what it does not know', () => {
    expect(run(['--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('--onnx-cuda') });
    const unknown = run(['--device', 'tpu']);
    expect(unknown).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('no device is called "tpu"'),
    });
  });
});
