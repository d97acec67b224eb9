import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readSync, realpathSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { log } from '../../core/log.js';

/** CUDA's libraries that a back end links against, by what was found. */
export interface CudaRuntime {
  /** Absolute paths, each after those that it links against itself. */
  files: string[];
  /** Names of those that are nowhere. */
  missing: string[];
}

/** A system to search: its environment, the root of its file system, and the answers of its programs. */
export interface CudaSight {
  environment: NodeJS.ProcessEnv;
  root: string;
  /** Returns what a program prints; null where it fails. */
  ask(program: string, ...args: string[]): string | null;
}

export function thisSystem(): CudaSight {
  return { environment: process.env, root: '/', ask: askProgram };
}

/**
 * The libraries of CUDA `major` that llama.cpp's back end needs, which are not the driver's: the runtime, cuBLAS and
 * what that links against. Looked for in this order: LD_LIBRARY_PATH, CUDA_HOME, CUDA_PATH, the loader's cache,
 * /usr/local/cuda*, and packages of Python environments (VIRTUAL_ENV, CONDA_PREFIX, then python3's own).
 */
export function findCudaRuntime(major: number, sight: CudaSight = thisSystem()): CudaRuntime {
  const names = ['libcudart', 'libcublasLt', 'libcublas'].map((name) => `${name}.so.${major}`);
  const found = new Map<string, string>();
  for (const folder of libraryFolders(sight)) {
    for (const name of names) {
      const file = join(folder, name);
      if (!found.has(name) && isLibrary(file)) found.set(name, file);
    }
    if (found.size === names.length) break;
  }
  log('CUDA %d: %j', major, [...found.values()]);
  return {
    files: names.flatMap((name) => found.get(name) ?? []),
    missing: names.filter((name) => !found.has(name)),
  };
}

/** A generator, as asking Python takes a tenth of a second and is seldom needed. */
function* libraryFolders({ environment, root, ask }: CudaSight): Generator<string> {
  yield* (environment.LD_LIBRARY_PATH ?? '').split(delimiter).filter(Boolean);
  for (const home of [environment.CUDA_HOME, environment.CUDA_PATH]) if (home) yield* insideToolkit(home);
  yield* loaderFolders(ask('ldconfig', '-p') ?? ask('/sbin/ldconfig', '-p') ?? '');
  const local = join(root, 'usr/local');
  for (const name of entries(local)
    .filter((entry) => entry.startsWith('cuda'))
    .sort()
    .reverse())
    yield* insideToolkit(join(local, name));
  for (const prefix of [environment.VIRTUAL_ENV, environment.CONDA_PREFIX])
    if (prefix) yield* insideEnvironment(prefix);
  const sites = 'import site, json; print(json.dumps(site.getsitepackages() + [site.getusersitepackages()]))';
  for (const site of parsedList(ask('python3', '-c', sites))) yield* insideSite(site);
}

function* insideToolkit(home: string): Generator<string> {
  for (const inner of ['lib64', 'lib', 'targets/x86_64-linux/lib']) yield join(home, inner);
}

/** Conda's own packages lie in lib/; those of pip lie below site-packages. */
function* insideEnvironment(prefix: string): Generator<string> {
  const lib = join(prefix, 'lib');
  yield lib;
  for (const name of entries(lib).filter((entry) => entry.startsWith('python')))
    yield* insideSite(join(lib, name, 'site-packages'));
}

/** nvidia/cuda_runtime/lib, nvidia/cublas/lib; nvidia/cu13/lib of packages for CUDA 13. */
function* insideSite(site: string): Generator<string> {
  const nvidia = join(site, 'nvidia');
  for (const name of entries(nvidia)) yield join(nvidia, name, 'lib');
}

/** The folders of `ldconfig -p`: "	libcudart.so.12 (libc6,x86-64) => /usr/lib/libcudart.so.12". */
function loaderFolders(listing: string): string[] {
  const folders = [...listing.matchAll(/^\s*libcu(?:dart|blas)\S* .*=> (.*)\/[^/]+$/gm)];
  return [...new Set(folders.map(([, folder]) => folder!))];
}

function parsedList(printed: string | null): string[] {
  try {
    return printed === null ? [] : (JSON.parse(printed) as string[]);
  } catch (error) {
    log('python3 printed no list: %s', error);
    return [];
  }
}

function entries(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** Whether a file is an ELF library for x86-64; loading it would keep some hundred MB mapped. */
function isLibrary(file: string): boolean {
  if (!existsSync(file)) return false;
  const head = Buffer.alloc(20);
  const descriptor = openSync(realpathSync(file), 'r');
  try {
    readSync(descriptor, head, 0, head.length, 0);
  } finally {
    closeSync(descriptor);
  }
  return head.readUInt32BE(0) === elfMagic && head.readUInt16LE(18) === x86Machine;
}

const elfMagic = 0x7f454c46;
const x86Machine = 62;

function askProgram(program: string, ...args: string[]): string | null {
  const { status, stdout, error } = spawnSync(program, args, { encoding: 'utf8', timeout: 5_000 });
  if (error !== undefined) log('%s: %s', program, error);
  return status === 0 ? stdout : null;
}
