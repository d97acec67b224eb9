/** Short runs of a tiny model, each in a folder of its own. Imported by tests only. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished } from 'vitest';
import { isOk, type Result } from '../../core/result.js';
import { modelCache } from '../../models/cache.test-support.js';
import { resolveModel } from '../../models/resolve.js';
import { runBench } from '../bench.js';
import type { BenchOptions } from '../options.js';
import { FakeRapl } from './fake-rapl.js';

const driver = fileURLToPath(new URL('drive-bench.mjs', import.meta.url));

/** A suite of one tiny model, two repetitions of each request. */
export const suiteOf = (block: object): string =>
  JSON.stringify({
    ...{ description: 'a test', seed: 1, models: [{ model: 'tiny', dtype: 'fp32' }] },
    ...{ design: [{ promptTokens: [4], ...block }], repetitions: 2 },
  });

/** A folder for the tests of one file, with its suite; removed after them. */
export class ShortRuns {
  readonly directory = mkdtempSync(join(tmpdir(), 'tokenwork-runs-'));
  readonly #settings;
  #runs = 0;
  /** Of the test that is running. */
  folder = '';

  constructor(block: object, settings: Partial<BenchOptions> = {}) {
    const suite = join(this.directory, 'suite.json');
    this.#settings = {
      ...{ suite, cacheDirectory: modelCache, ceilings: false, calibrateForNs: 3e8 },
      // Back ends are compared in a test of its own.
      backend: 'native' as const,
      ...settings,
    };
    beforeAll(async () => {
      writeFileSync(suite, suiteOf(block));
      await resolveModel('tiny', { dtype: 'fp32', cacheDirectory: modelCache });
    });
    afterAll(() => rmSync(this.directory, { recursive: true, force: true }));
    beforeEach(() => {
      this.folder = mkdtempSync(join(this.directory, 'run-'));
    });
  }

  async bench(options: Partial<BenchOptions> = {}): Promise<Result> {
    const out = join(this.folder, `result-${this.#runs++}.json`);
    const tool = { version: '0', commit: null };
    return (await runBench({ ...this.#settings, out, command: 'test', tool, ...options })).result;
  }

  fakeRapl(watts = 40): FakeRapl {
    const rapl = new FakeRapl(join(this.folder, 'sys'), watts);
    onTestFinished(() => rapl.stop());
    return rapl;
  }

  /** A run in a process of its own, stopped once so many of its requests are measured. */
  async stopped(
    options: Partial<BenchOptions>,
    signal: NodeJS.Signals,
    after: number,
  ): Promise<ChildProcess> {
    const child = spawn(process.execPath, [driver, JSON.stringify({ ...this.#settings, ...options })]);
    const ended = once(child, 'exit');
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        const done = [...chunk.toString().matchAll(/measuring (\d+)\//g)].map(([, count]) => Number(count));
        if (Math.max(0, ...done) >= after) resolve();
      });
      child.once('exit', () => resolve());
    });
    child.kill(signal);
    await ended;
    return child;
  }
}

/** Σ requests + idle + unattributed = total, to the last bit; and the requests' part is the rows'. */
export function expectConserved(result: Result): void {
  const energies = Object.entries(result.conservation).filter(([key]) => key.startsWith('energy/'));
  for (const [, { total, requests, idle, unattributed }] of energies) {
    expect(requests + idle + unattributed).toBe(total);
    expect(Math.min(requests, idle, unattributed)).toBeGreaterThanOrEqual(0);
  }
  const inRows = result.requests.reduce((sum, row) => {
    const runs = isOk(row) ? (row.runsInWindow ?? 1) : 1;
    return sum + (row.work?.energy ?? 0) * runs;
  }, 0);
  const inAccounts = energies.reduce((sum, [, { requests }]) => sum + requests, 0);
  expect(inAccounts).toBeCloseTo(inRows, 6);
}

export const codesOf = (result: Result): string[] => result.warnings.map(({ code }) => code);

/** Power of all devices together over the time line, whose points hold the mean since the one before. */
export function meanWatts(result: Result): number {
  const lines = result.timeline!.filter(({ quantity }) => quantity === 'energy');
  expect(lines.map(({ device }) => device)).toEqual(['package-0', 'dram-0']);
  return lines.reduce((sum, { timesNs, values }) => {
    let [joules, seconds] = [0, 0];
    for (const [index, watts] of values.entries()) {
      if (index === 0 || watts === null || values[index - 1] === null) continue;
      const lasted = (timesNs[index]! - timesNs[index - 1]!) / 1e9;
      joules += watts * lasted;
      seconds += lasted;
    }
    return sum + joules / seconds;
  }, 0);
}
