import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

// Threads load no TypeScript; `globalSetup` in vitest.config.ts builds before tests do.
const built = new URL('../../../../dist/engines/onnx/gpu/lock.js', import.meta.url).href;

/** What `main` prints as JSON, in a process whose `start(body, data)` gives a thread that has the lock. */
async function inProcess(main: string): Promise<unknown> {
  const script = `
    import { once } from 'node:events';
    import { Worker } from 'node:worker_threads';
    import '${built}';
    const start = (body, workerData) => new Worker(
      "import { parentPort, workerData } from 'node:worker_threads';" +
      "import { holdDevice } from '${built}';" + body,
      { eval: true, workerData, execArgv: ['--input-type=module'] });
    ${main}`;
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    timeout: 60_000,
  });
  return JSON.parse((await run).stdout);
}

describe('the lock of a device', () => {
  it('lets one thread in at a time, and one thread as deep as it likes', async () => {
    const overlaps = await inProcess(`
      const inside = new Int32Array(new SharedArrayBuffer(8));
      const body = \`for (let i = 0; i < 500; i++) holdDevice(() => holdDevice(() => {
        if (Atomics.add(workerData, 0, 1) !== 0) Atomics.add(workerData, 1, 1);
        for (let spin = 0; spin < 1000; spin++);
        Atomics.sub(workerData, 0, 1);
      }));\`;
      await Promise.all([0, 1, 2].map(() => once(start(body, inside), 'exit')));
      console.log(JSON.stringify(inside[1]));`);
    expect(overlaps).toBe(0);
  });

  it('is free again when the thread that held it was ended', async () => {
    const answer = await inProcess(`
      const held = start("holdDevice(() => { parentPort.postMessage('held'); for (;;); })");
      await once(held, 'message');
      const next = start("holdDevice(() => parentPort.postMessage('mine'))");
      held.terminate();
      const [message] = await once(next, 'message');
      console.log(JSON.stringify(message));`);
    expect(answer).toBe('mine');
  });

  it('is free again when what was done under it throws', async () => {
    const answer = await inProcess(`
      const failing = start("try { holdDevice(() => { throw new Error('no'); }); } catch {} parentPort.postMessage(1)");
      await once(failing, 'message');
      const next = start("holdDevice(() => parentPort.postMessage('mine'))");
      console.log(JSON.stringify((await once(next, 'message'))[0]));`);
    expect(answer).toBe('mine');
  });
});
