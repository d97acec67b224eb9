import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { CudaSight } from './cuda-runtime.js';
import { LLAMA_VERSION, type PackageSight } from './packages.js';

/** A folder that goes with the tests of the file. */
export const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-packages-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A system without anything. */
export const nowhere: CudaSight = { environment: {}, root: join(scratch, 'empty'), ask: () => null };
let made = 0;

/** A node_modules folder with the packages named, each with the files named. */
export function sightOf(
  packages: Record<string, readonly string[]>,
  { version = LLAMA_VERSION, cuda = nowhere }: { version?: string; cuda?: CudaSight } = {},
): PackageSight {
  const root = join(scratch, `modules-${made++}`);
  for (const [name, files] of Object.entries(packages)) {
    const folder = join(root, '@node-llama-cpp', name);
    const bins = join(folder, 'bins', name.replace('-ext', ''));
    mkdirSync(join(bins, 'fallback'), { recursive: true });
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ version }));
    for (const file of files) writeFileSync(join(bins, file), '');
  }
  return { roots: [join(scratch, 'none'), root], cuda, platform: 'linux', arch: 'x64' };
}

/** The head of an ELF file for a machine of that number. */
export function elf(machine = 62): Buffer {
  const head = Buffer.alloc(64);
  head.write('\x7fELF', 'latin1');
  head.writeUInt16LE(machine, 18);
  return head;
}

/** A folder with CUDA's libraries of that version. */
export function cudaFolder(path: string, major: number, names = ['cudart', 'cublas', 'cublasLt']): string {
  const folder = join(scratch, path);
  mkdirSync(folder, { recursive: true });
  for (const name of names) writeFileSync(join(folder, `lib${name}.so.${major}`), elf());
  return folder;
}
