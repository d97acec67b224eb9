import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { endedOrStuck, leaveStuckThreads } from './stuck-threads.js';

const script = fileURLToPath(new URL('../testing/stuck-run.mjs', import.meta.url));

describe('a thread that native code does not return', () => {
  it.skipIf(process.platform === 'win32')('fails its request and keeps nobody waiting', async () => {
    // By the limit, a process that waits for its threads is killed, and has no exit code.
    const failure = await promisify(execFile)(process.execPath, [script], { timeout: 60_000 }).catch(
      (thrown) => thrown,
    );
    expect(failure).toMatchObject({ code: 3, stdout: 'worker-hung\n' });
  });

  it('leaves a process alone whose threads have ended', async () => {
    await endedOrStuck(Promise.resolve(), 60_000);
    leaveStuckThreads(3);
  });
});
