import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { TokenworkError } from '../../../core/errors.js';
import { packageFor } from '../../llama/packages.js';

const fileNames: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'libonnxruntime.so.1',
  darwin: 'libonnxruntime.1.dylib',
  win32: 'onnxruntime.dll',
};

/**
 * Systems that onnxruntime-node 1.30.0 ships a library for, and whether that one computes through WebGPU. Its
 * package names macOS as a whole, so that npm installs it on Intel Macs too, where it has nothing to load.
 */
export const shippedBuilds: Readonly<Record<string, { webgpu: boolean }>> = {
  'linux/x64': { webgpu: true },
  'linux/arm64': { webgpu: false },
  'darwin/arm64': { webgpu: true },
  'win32/x64': { webgpu: true },
  'win32/arm64': { webgpu: true },
};

/** Advice where ONNX Runtime does not load on a system. */
export function runtimeRemedy(platform: string, arch: string): string {
  if (`${platform}/${arch}` in shippedBuilds) return 'Reinstall the packages on this platform (npm ci).';
  return packageFor('cpu', platform, arch) === null
    ? 'Measure on another system; what was measured there can be read here: tokenwork report, diff, flops.'
    : 'Run recipes and GGUF models in llama.cpp instead: --engine llama; `tokenwork doctor` says how to install it.';
}

/**
 * The ONNX Runtime library inside the installed onnxruntime-node, the very file its Node binding loads,
 * so that both back ends run the same kernels. Throws TokenworkError `native-unavailable` where
 * onnxruntime-node ships none for this platform.
 */
export function libraryPath(
  platform: NodeJS.Platform = process.platform,
  arch: string = process.arch,
): string {
  const manifest = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  const fileName = fileNames[platform] ?? 'onnxruntime';
  const file = join(dirname(manifest), 'bin', 'napi-v6', platform, arch, fileName);
  if (!existsSync(file))
    throw new TokenworkError(
      'native-unavailable',
      `${platform}/${arch}` in shippedBuilds
        ? `onnxruntime-node has no library for ${platform}/${arch} at ${file}.`
        : `ONNX Runtime ships no library for ${platform}/${arch}, but for ${Object.keys(shippedBuilds).join(', ')}.`,
      runtimeRemedy(platform, arch),
    );
  return file;
}
