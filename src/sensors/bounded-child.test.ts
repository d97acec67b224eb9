import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { askBounded, runBounded } from './bounded-child.js';

const folder = mkdtempSync(join(tmpdir(), 'tokenwork-child-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    // A zombie is no process any more, only what its parent has not asked for yet.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};
/** A shell that ignores SIGTERM and starts another program, whose id it writes down. */
const stubborn = (path: string) => ['sh', '-c', `trap '' TERM; sleep 600 & echo $! > ${path}; wait`];
const written = async (path: string): Promise<number> => {
  while (!existsSync(path) || !readFileSync(path, 'utf8').endsWith('\n')) await delay(10);
  return Number(readFileSync(path, 'utf8'));
};

describe.skipIf(process.platform !== 'linux')('a program that is run within bounds', () => {
  it('is killed with all that it started when its time is over', async () => {
    const path = join(folder, 'late');
    const ended = runBounded(stubborn(path), { withinMs: 1000 });
    const pid = await written(path);
    expect(await ended).toMatchObject({ timedOut: true, signal: 'SIGKILL' });
    while (isRunning(pid)) await delay(10);
  });

  it('is killed with all that it started when the signal is raised', async () => {
    const path = join(folder, 'stopped');
    const stop = new AbortController();
    const ended = runBounded(stubborn(path), { withinMs: 60_000, signal: stop.signal });
    const pid = await written(path);
    stop.abort(new Error('stopped'));
    await expect(ended).rejects.toThrow('stopped');
    while (isRunning(pid)) await delay(10);
  });

  it('reads its input, and answers on the last line with the mark', async () => {
    const command = ['sh', '-c', 'echo mark:1; cat; echo; echo driver'];
    const { answer } = await askBounded(command, 'mark:', { withinMs: 60_000, input: 'mark:2' });
    expect(answer).toBe('2');
    expect((await askBounded(['sh', '-c', 'exit 3'], 'mark:', { withinMs: 60_000 })).ended.code).toBe(3);
  });
});
