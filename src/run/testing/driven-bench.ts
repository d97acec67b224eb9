/** Benchmarks of a tiny model in a folder of their own, in this process and in others. Imported by tests only. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { isOk, type Result } from '../../core/result.js';
import { modelCache } from '../../models/cache.test-support.js';
import { resolveModel } from '../../models/resolve.js';
import { runBench } from '../bench.js';
import type { BenchOptions } from '../options.js';

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-bench-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const cacheDirectory = modelCache;
const driver = fileURLToPath(new URL('drive-bench.mjs', import.meta.url));

export function writeSuite(name: string, suite: object): string {
  const path = join(directory, `${name}.json`);
  writeFileSync(path, JSON.stringify({ description: 'a test', seed: 1, ...suite }));
  return path;
}
export const models = [{ model: 'tiny', dtype: 'fp32' }];
export const smallSuite = writeSuite('small', {
  models,
  design: [
    { promptTokens: [3, 9], completionTokens: [1, 5] },
    { prompts: ['hello'], completionTokens: [2] },
  ],
  repetitions: 2,
});
// Long enough that a kill finds it running.
export const longSuite = writeSuite('long', {
  models,
  design: [{ promptTokens: [4, 64], completionTokens: [16, 64] }],
  repetitions: 8,
});

export const longRequests = 4 * 8;

// Built once and before all else: one test limits how much may be written.
beforeAll(async () => {
  await resolveModel('tiny', { dtype: 'fp32', cacheDirectory });
});

export let folder = '';
export let out = '';
beforeEach(() => {
  folder = mkdtempSync(join(directory, 'run-'));
  out = join(folder, 'result.json');
});

const tool = { version: '0', commit: null };
// The machine's ceilings and back ends take seconds to look at, and tests of their own see to them.
const quickly = { cacheDirectory, ceilings: false, backend: 'native' as const };
export const bench = (options: Partial<BenchOptions>) =>
  runBench({ ...quickly, command: 'test', tool, ...options });

/** A benchmark in a process of its own, under a shell command where one is given. */
export function driveBench(options: Partial<BenchOptions>, shell?: string) {
  const command = [process.execPath, driver, JSON.stringify({ ...quickly, ...options })];
  const child =
    shell === undefined
      ? spawn(command[0]!, command.slice(1))
      : spawn('bash', ['-c', `${shell}; exec "$@"`, 'bash', ...command]);
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const reached = (phase: string) =>
    new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        if (chunk.includes(`${phase} `)) resolve();
      });
      child.once('exit', () => resolve());
    });
  const [preparing, measuring] = [reached('machine'), reached('measuring')];
  const ended = once(child, 'exit').then(([status, signal]) => ({ status, signal, errors }));
  return { child, preparing, measuring, ended };
}

export function expectWhole(result: Result): void {
  const { plannedRequests } = result.run;
  expect(result.run.complete).toBe(true);
  expect(result.requests.map(({ id }) => id)).toEqual(Array.from({ length: plannedRequests }, (_, id) => id));
  expect(result.requests.every(isOk)).toBe(true);
}
