import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TokenworkError } from '../../core/errors.js';
import type { Dtype } from '../dtype.js';
import type { ModelProto } from '../onnx/proto.js';
import { makeFolderOnce } from './atomic-folder.js';
import type { Store } from './build-graph.js';
import { writeOnnx } from './write-onnx.js';

const progressEveryMs = 250;

/** A model folder to be written. */
interface Blueprint {
  /** Name of the model, for people. */
  name: string;
  /** Message while it is built. */
  message: string;
  target: string;
  dtype: Dtype;
  seed: number;
  /** The graph, its tensors put where `store` says. */
  assemble: (store: Store) => ModelProto;
  /** Files beside the graph, by name; whether the weights are in a file of their own. */
  files: (externalData: boolean) => Record<string, unknown>;
}

export interface BuildWatch {
  onProgress?: (progress: { fraction: number; message: string }) => void;
  signal?: AbortSignal;
}

/**
 * Writes the folder where it is not there yet, and returns its path.
 * Throws TokenworkError `disk-full`, `cache-unwritable` or `aborted`.
 */
export async function buildFolder(blueprint: Blueprint, { onProgress, signal }: BuildWatch): Promise<string> {
  const { name, message, assemble } = blueprint;
  let reportedAt = performance.now();
  const onBytes = (written: number, total: number) => {
    throwIfAborted(signal, name);
    const now = performance.now();
    if (now - reportedAt < progressEveryMs && written < total) return;
    reportedAt = now;
    onProgress?.({ fraction: written / total, message });
  };
  return makeFolderOnce(blueprint.target, async (directory) => {
    throwIfAborted(signal, name);
    const onnxDirectory = join(directory, 'onnx');
    await mkdir(onnxDirectory);
    const externalData = await writeOnnx(assemble, blueprint, onnxDirectory, onBytes);
    for (const [file, content] of Object.entries(blueprint.files(externalData))) {
      await writeFile(join(directory, file), `${JSON.stringify(content)}\n`, { flush: true });
    }
  });
}

function throwIfAborted(signal: AbortSignal | undefined, name: string): void {
  if (!signal?.aborted) return;
  throw new TokenworkError('aborted', `Building ${name} was stopped.`, 'Nothing half-built was kept.', {
    cause: signal.reason,
  });
}
