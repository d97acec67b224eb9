import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { TokenworkError } from '../../../core/errors.js';

const fileNames: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'libonnxruntime.so.1',
  darwin: 'libonnxruntime.1.dylib',
  win32: 'onnxruntime.dll',
};

/**
 * The ONNX Runtime library inside the installed onnxruntime-node, the very file its Node binding loads,
 * so that both back ends run the same kernels. Throws TokenworkError `native-unavailable` where
 * onnxruntime-node ships none for this platform.
 */
export function libraryPath(): string {
  const manifest = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  const fileName = fileNames[process.platform];
  const file = join(
    dirname(manifest),
    'bin',
    'napi-v6',
    process.platform,
    process.arch,
    fileName ?? 'onnxruntime',
  );
  if (fileName === undefined || !existsSync(file))
    throw new TokenworkError(
      'native-unavailable',
      `onnxruntime-node has no library for ${process.platform}/${process.arch} at ${file}.`,
      'Run with --backend node, or reinstall the packages on this platform (npm ci).',
    );
  return file;
}
