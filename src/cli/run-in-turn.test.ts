import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { simulateResult } from '../analysis/simulated-result.test-support.js';
import { runInTurn } from './run-in-turn.js';

const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-in-turn-'));
afterAll(() => rmSync(scratch, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

const log = join(scratch, 'order');
const result = simulateResult([{ promptTokens: 16, completionTokens: 64, rate: 1 }], {
  ...{ seed: 1, repetitions: 2, noise: 0.02 },
});
writeFileSync(join(scratch, 'saved.json'), JSON.stringify(result));
/** A command that notes its name and writes a result where `--quiet --out FILE` says. */
const measuring = (name: string) =>
  `cd '${scratch}' && m() { echo ${name} >> order; cp saved.json "$3"; }; m`;

/** Runs commands, and keeps what is said of them. */
function inTurn(
  commands: string[],
  {
    rounds = 2,
    keep,
    stop = new AbortController(),
  }: { rounds?: number; keep?: string; stop?: AbortController } = {},
  checkFirst: () => void = () => {},
) {
  rmSync(log, { force: true });
  const said: string[] = [];
  const line = { show: () => {}, note: (text: string) => said.push(text), clear: () => {} };
  const ended = runInTurn(commands, { rounds, keep, line, signal: stop.signal, checkFirst });
  return { ended, said };
}

describe.skipIf(process.platform === 'win32')('commands in turn', () => {
  it('are run A B B A, give the results of each, and leave no folder behind', async () => {
    const temporary = join(scratch, 'temporary');
    mkdirSync(temporary);
    vi.stubEnv('TMPDIR', temporary);
    const { ended, said } = inTurn([measuring('A'), measuring('B')]);
    expect((await ended).map((own) => own.map(({ run }) => run.id))).toEqual([
      [result.run.id, result.run.id],
      [result.run.id, result.run.id],
    ]);
    expect(readFileSync(log, 'utf8')).toBe('A\nB\nB\nA\n');
    expect(said[1]).toMatch(/^Run 2 of 4, candidate, took /);
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('of several candidates are run backwards every other round, and kept where asked', async () => {
    const keep = join(scratch, 'kept');
    await inTurn(['A', 'B', 'C'].map(measuring), { rounds: 3, keep }).ended;
    expect(readFileSync(log, 'utf8').replaceAll('\n', '')).toBe('ABCCBAABC');
    expect(readdirSync(keep)).toContain('candidate2-3.json');
    await expect(inTurn(['A', 'B'].map(measuring), { keep }).ended).rejects.toMatchObject({
      code: 'unwritable-output',
    });
  });

  it('end at the first that fails: its last lines are shown, and what was measured is kept and named', async () => {
    const keep = join(scratch, 'failed');
    const failing = `for k in $(seq 100); do echo "line $k"; done; echo 'no such suite' >&2; exit 7; echo`;
    const { ended, said } = inTurn([measuring('A'), failing], { keep });
    await expect(ended).rejects.toMatchObject({
      ...{ code: 'command-failed', exitCode: 3 },
      message: expect.stringMatching(/^Run 2 of 4, candidate, ended with exit code 7: for k/),
      hint: `What 1 of 4 runs measured is kept in ${keep}.`,
    });
    expect(said.at(-1)).toMatch(/^line 87\n(line \d+\n)+no such suite$/);
    expect(existsSync(join(keep, 'baseline-1.json'))).toBe(true);
  });

  it('end where a command goes well and writes no result', async () => {
    await expect(inTurn(['true', 'true']).ended).rejects.toMatchObject({
      ...{ code: 'command-failed', message: expect.stringContaining('wrote no result') },
      hint: expect.stringContaining('--quiet --out FILE is appended'),
    });
  });

  it('end after the first round where its results do not suit', async () => {
    const { ended } = inTurn([measuring('A'), measuring('B')], {}, () => {
      throw new Error('of other workloads');
    });
    await expect(ended).rejects.toThrow('of other workloads');
    expect(readFileSync(log, 'utf8')).toBe('A\nB\n');
  });

  it('are stopped with all that they started', async () => {
    const [keep, stop] = [join(scratch, 'stopped'), new AbortController()];
    const started = join(scratch, 'pid');
    // A child in the background takes no SIGINT.
    const lasting = `sleep 1000 & echo $! > '${started}'; sleep 1000; true`;
    const { ended } = inTurn([measuring('A'), lasting], { keep, stop });
    const stopped = expect(ended).rejects.toMatchObject({
      ...{ code: 'interrupted', exitCode: 3, hint: `What 1 of 4 runs measured is kept in ${keep}.` },
    });
    await vi.waitUntil(() => existsSync(started) && readFileSync(started, 'utf8').endsWith('\n'), 20_000);
    stop.abort();
    await stopped;
    await vi.waitUntil(() => !isRunning(Number(readFileSync(started, 'utf8'))), 20_000);
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A child that nobody has waited for yet has ended all the same.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
