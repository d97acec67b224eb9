import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { resultSchema } from '../core/result.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
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

function tokenwork(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const { NODE_DEBUG: _, ...inherited } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: scratch,
    encoding: 'utf8',
    env: { ...inherited, OMP_NUM_THREADS: '1', TOKENWORK_CACHE: join(scratch, 'cache'), ...environment },
  });
  return { status, stdout, lines: stderr.split('\n').filter((line) => line.startsWith('TOKENWORK ')) };
}

const run = (out: string) =>
  ['bench', '--suite', suite, '--device', 'cpu', '--warmup', '0', '--json', '--out', out] as const;

describe('the log', () => {
  it.each([
    ['--verbose', ['--verbose'], {}],
    ['NODE_DEBUG', [], { NODE_DEBUG: 'fs_events,tokenwork' }],
  ])(
    'tells probes, decisions and requests on stderr with %s, and the result alone on stdout',
    (name, more, environment) => {
      const { status, stdout, lines } = tokenwork([...run(`${name}.json`), ...more], environment);
      expect(status).toBe(0);
      const { requests, environment: recorded } = resultSchema.parse(JSON.parse(stdout));
      expect(requests).toHaveLength(2);
      expect(recorded.settings?.variables).toMatchObject({ OMP_NUM_THREADS: '1' });
      const text = lines.join('\n');
      expect(text).toMatch(/device: cpu \(asked for\)/);
      expect(text).toMatch(/back end of tiny: native .*parity \{/);
      expect(text).toMatch(/sensor process: \d+ channels every \d+ ms/);
      expect(text).toMatch(/energy window: none/);
      for (const repetition of [0, 1]) expect(text).toMatch(new RegExp(`repetition ${repetition}, worker 0`));
      expect(lines.filter((line) => /request \d+: ok, ran 1 times/.test(line))).toHaveLength(2);
    },
  );

  it('is kept by worker threads too, each line with its process, its thread and the time since the start', () => {
    const { lines } = tokenwork([...run('threads.json'), '--verbose']);
    expect(lines.filter((line) => !/^TOKENWORK \d+(\/\d+)? \+\d+\.\d{6} s: \S/.test(line))).toEqual([]);
    expect(lines.find((line) => /^TOKENWORK \d+\/\d+ .*CPU time: \{"method"/.test(line))).toBeDefined();
  });

  it('says nothing unless it is asked for', () => {
    expect(tokenwork(run('quiet.json')).lines).toEqual([]);
  });

  it('comes with the stack of an error, and its causes', () => {
    const { status, stderr } = spawnSync(process.execPath, [main, 'report', 'none.json', '--verbose'], {
      cwd: scratch,
      encoding: 'utf8',
    });
    expect(status).toBe(2);
    expect(stderr).toMatch(/\n\s+at .*result-file\.js:\d+/);
    expect(stderr).toMatch(/caused by: /);
  });
});
