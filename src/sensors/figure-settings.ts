import { readdirSync, readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { basename, join } from 'node:path';
import { log, otherwise } from '../core/log.js';

/** Settings of the machine and its environment that change figures without being options of a run. */
export interface FigureSettings {
  /** Variables that the runtime, the C library or a driver reads, by name. */
  variables: Record<string, string>;
  /** `always`, `madvise` or `never`; null where the kernel does not say. */
  transparentHugePages: string | null;
  /** Frequency governors of the cores, each once; null where the kernel shows none. */
  cpuGovernors: string[] | null;
  /** Whether cores may run above their nominal frequency; null where that cannot be read. */
  turbo: boolean | null;
}

const relevant =
  /^(ORT|OMP|GOMP|KMP|MKL|OPENBLAS|MALLOC|DAWN|CUDA|CUDNN|NVIDIA)_|^(GLIBC_TUNABLES|LD_PRELOAD|NODE_OPTIONS|TOKENWORK_BACKEND|UV_THREADPOOL_SIZE)$/;

/** Reads the settings once, before anything is measured. `root`: where `/sys` lies, for tests. */
export function readFigureSettings(environment: NodeJS.ProcessEnv = process.env, root = '/'): FigureSettings {
  return {
    variables: figureVariables(environment, privateWords()),
    transparentHugePages: chosenOf(read(root, 'sys/kernel/mm/transparent_hugepage/enabled')),
    cpuGovernors: governors(root),
    turbo: turbo(root),
  };
}

/** The relevant variables, with nothing in them that tells who runs tokenwork, on which host or from where. */
export function figureVariables(
  environment: NodeJS.ProcessEnv,
  secrets: readonly string[],
): Record<string, string> {
  const found = Object.entries(environment).filter(([name]) => relevant.test(name));
  return Object.fromEntries(
    found
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value = '']) => [name, withoutPrivate(name, value, secrets)]),
  );
}

/** Options of Node may name any host or module, so of their values numbers alone are kept. */
function withoutPrivate(name: string, value: string, secrets: readonly string[]): string {
  const shown =
    name === 'NODE_OPTIONS'
      ? value.split(/\s+/).map((option) => /^--?[\w-]+(=\d+)?$/.exec(option)?.[0] ?? optionOf(option))
      : value.split(/([\s:,;=]+)/).map((part) => (/[\\/]/.test(part) ? libraryIn(part) : part));
  const text = shown.join(name === 'NODE_OPTIONS' ? ' ' : '');
  // Whole words alone, as a host may well be called `vm`.
  const isSecret = (word: string) => secrets.includes(word);
  return text.replaceAll(/[\w.-]+/g, (word) =>
    isSecret(word) ? '…' : word.replaceAll(/\w+/g, (part) => (isSecret(part) ? '…' : part)),
  );
}

const optionOf = (option: string): string => (option.startsWith('-') ? option.replace(/=.*/, '=…') : '…');

/** A library by its name, as one that is preloaded may be another allocator; any other path is left out. */
const libraryIn = (path: string): string =>
  /[^\\/]+\.(so(\.\d+)*|dylib|dll)$/.exec(basename(path))?.[0] ?? '…';

function privateWords(): string[] {
  const words = [hostname()];
  try {
    words.push(userInfo().username);
  } catch (error) {
    log('no user name is known: %s', error);
  }
  return words;
}

function governors(root: string): string[] | null {
  const folder = 'sys/devices/system/cpu';
  const found = list(root, folder)
    .filter((name) => /^cpu\d+$/.test(name))
    .flatMap((name) => read(root, `${folder}/${name}/cpufreq/scaling_governor`) ?? []);
  return found.length === 0 ? null : [...new Set(found)].sort();
}

/** Intel's driver says when it is off, the others when it is on. */
function turbo(root: string): boolean | null {
  const off = read(root, 'sys/devices/system/cpu/intel_pstate/no_turbo');
  if (off !== null) return off === '0';
  const on = read(root, 'sys/devices/system/cpu/cpufreq/boost');
  return on === null ? null : on === '1';
}

/** Picks the word in brackets: `always [madvise] never`. */
const chosenOf = (choices: string | null): string | null => /\[(\w+)\]/.exec(choices ?? '')?.[1] ?? null;

function read(root: string, path: string): string | null {
  try {
    return readFileSync(join(root, path), 'latin1').trim();
  } catch (error) {
    return otherwise(null, 'a setting of the machine')(error);
  }
}

function list(root: string, path: string): string[] {
  try {
    return readdirSync(join(root, path));
  } catch (error) {
    return otherwise([], 'the cores of the machine')(error);
  }
}
