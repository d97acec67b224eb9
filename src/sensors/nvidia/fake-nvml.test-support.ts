/** A stand-in for the NVIDIA driver's library, compiled from fake-nvml.c. Imported by tests only. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';

/** What sets the GPUs of the stand-in; each call names the GPU by its number first. */
export type FakeNvml = Record<
  'reset' | 'lost' | 'power' | 'energy' | 'load' | 'memory' | 'processes' | 'users' | 'open' | 'lists',
  (...values: number[]) => number
>;

/** Whether there is a C compiler to make it with. */
export const compiles = (() => {
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' });
    return process.platform === 'linux';
  } catch {
    return false;
  }
})();

/**
 * Compiles it to `path` and loads it: whoever in this process opens a library of that path, on whichever
 * thread, meets the very same GPUs.
 */
export function buildFakeNvml(path: string, ...flags: string[]): FakeNvml {
  const source = fileURLToPath(new URL('fake-nvml.c', import.meta.url));
  execFileSync('cc', ['-shared', '-fPIC', '-O1', ...flags, '-o', path, source]);
  const library = koffi.load(path);
  return {
    reset: library.func('void fake_reset(int, int)'),
    lost: library.func('void fake_lost(int, int)'),
    power: library.func('void fake_power(int, int, unsigned int)'),
    energy: library.func('void fake_energy(int, double)'),
    load: library.func('void fake_load(int, unsigned int, int)'),
    memory: library.func('void fake_memory(int, double)'),
    processes: library.func('void fake_processes(int, unsigned int, unsigned int, double)'),
    users: library.func(
      'void fake_users(int, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int)',
    ),
    open: library.func('int fake_open()'),
    lists: library.func('int fake_lists()'),
  };
}
