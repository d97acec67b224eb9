/** A run of two requests in a process of its own, and what it logs. Imported by tests only. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect } from 'vitest';
import { resultSchema } from '../../core/result.js';

const main = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-log-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const suite = join(scratch, 'two.json');
writeFileSync(
  suite,
  JSON.stringify({
    description: 'two requests',
    seed: 1,
    models: [{ model: 'tiny', dtype: 'fp32' }],
    design: [{ promptTokens: [3], completionTokens: [2] }],
    repetitions: 2,
  }),
);

export function tokenwork(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const { NODE_DEBUG: _, ...inherited } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: scratch,
    encoding: 'utf8',
    env: { ...inherited, OMP_NUM_THREADS: '1', TOKENWORK_CACHE: join(scratch, 'cache'), ...environment },
  });
  return {
    status,
    stdout,
    stderr,
    lines: stderr.split('\n').filter((line) => line.startsWith('TOKENWORK ')),
  };
}

export const run = (out: string) =>
  ['bench', '--suite', suite, '--device', 'cpu', '--warmup', '0', '--json', '--out', out] as const;

export function expectLogged(stdout: string, lines: readonly string[]): void {
  const { requests, environment } = resultSchema.parse(JSON.parse(stdout));
  expect(requests).toHaveLength(2);
  expect(environment.settings?.variables).toMatchObject({ OMP_NUM_THREADS: '1' });
  const text = lines.join('\n');
  expect(text).toMatch(/device: cpu with onnx \(asked for\)/);
  expect(text).toMatch(/back end of tiny: native .*parity \{/);
  expect(text).toMatch(/sensor process: \d+ channels every \d+ ms/);
  expect(text).toMatch(/energy window: none/);
  for (const repetition of [0, 1]) expect(text).toMatch(new RegExp(`repetition ${repetition}, worker 0`));
  expect(lines.filter((line) => /request \d+: ok, ran 1 times/.test(line))).toHaveLength(2);
}
