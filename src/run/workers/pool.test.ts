import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { RequestSpec } from '../../stages/request-spec.js';
import { openPool } from './pool.js';
import type { WorkerModel } from './protocol.js';
import { openWorkerSlot, type WorkerSlot } from './slot.js';

const workerFile = fileURLToPath(new URL('../testing/faulty-worker.mjs', import.meta.url));
const request: RequestSpec = {
  prompt: { kind: 'synthetic', tokens: 1, seed: 1 },
  completionTokens: 1,
  batch: 1,
  stop: 'forced',
  sampling: { kind: 'greedy' },
};
const patient = { deadlineMs: null, stallTimeoutMs: 60_000 };
const models = (...ids: string[]) => ids.map((id) => ({ id }) as WorkerModel);
const everyKind = models('exits', 'throws', 'throws-later', 'hangs', 'crawls', 'good');

const slots: WorkerSlot[] = [];
afterEach(() => Promise.all(slots.splice(0).map((slot) => slot.close())));
function slot(graceMs = 200): WorkerSlot {
  const opened = openWorkerSlot({
    index: 0,
    models: everyKind,
    originNs: 0n,
    alone: true,
    workerFile,
    graceMs,
  });
  slots.push(opened);
  return opened;
}
const answered = { row: { outcome: { status: 'failed', code: 'answered', message: '1' } } };

describe('a slot', () => {
  it.each([
    ['exits', 'worker-crashed', /exited with code: 1/],
    ['throws-later', 'worker-crashed', /thrown outside the handler/],
    ['throws', 'request-failed', /thrown by the handler/],
  ])('whose worker %s fails that request by name, and runs the next', async (kind, code, message) => {
    const one = slot();
    const { row } = await one.run(kind, request, patient);
    expect(row.outcome).toMatchObject({ status: 'failed', code, message: expect.stringMatching(message) });
    expect(await one.run('good', request, patient)).toMatchObject(answered);
  });

  it('replaces a worker that finishes no step within its stallTimeout', async () => {
    const one = slot();
    const { row } = await one.run('hangs', request, { deadlineMs: null, stallTimeoutMs: 200 });
    expect(row.outcome).toMatchObject({ status: 'failed', code: 'worker-hung' });
    expect(await one.run('good', request, patient)).toMatchObject(answered);
  });

  it('replaces a worker that does not heed its deadline', async () => {
    const one = slot();
    const { row } = await one.run('hangs', request, { deadlineMs: 50, stallTimeoutMs: 60_000 });
    expect(row.outcome).toMatchObject({ status: 'failed', code: 'worker-hung' });
    expect(await one.run('good', request, patient)).toMatchObject(answered);
  });

  it('leaves a slow worker alone that does finish steps, until it is told to stop', async () => {
    const one = slot(5000);
    await one.load();
    const running = one.run('crawls', request, { deadlineMs: null, stallTimeoutMs: 400 });
    await new Promise((resolve) => setTimeout(resolve, 1200));
    one.stop();
    expect(await running).toMatchObject({ row: { outcome: { code: 'interrupted' } } });
  });

  it('ends a worker that does not stop when told to', async () => {
    const one = slot();
    await one.load();
    const running = one.run('hangs', request, patient);
    await new Promise((resolve) => setTimeout(resolve, 300));
    one.stop();
    expect(await running).toMatchObject({ row: { outcome: { code: 'worker-hung' } } });
  });
});

describe('a pool', () => {
  const options = { originNs: 0n, workerFile };

  it('fails once, with the error of the model, where no worker can open it', async () => {
    await expect(openPool({ ...options, workers: 3, models: models('unloadable') })).rejects.toMatchObject({
      code: 'broken-model',
      message: 'It does not open.',
      hint: 'Try another.',
      exitCode: 2,
    });
  });

  it('fails once where the worker itself does not start', async () => {
    const missing = fileURLToPath(new URL('../testing/no-such-worker.mjs', import.meta.url));
    await expect(
      openPool({ workers: 2, models: [], originNs: 0n, workerFile: missing }),
    ).rejects.toMatchObject({
      code: 'worker-failed',
    });
  });

  it('loses no other request to a worker that dies', async () => {
    const pool = await openPool({ ...options, workers: 2, models: everyKind });
    try {
      const [dying, ...living] = await Promise.all([
        pool.slots[0]!.run('exits', request, patient),
        pool.slots[1]!.run('good', request, patient),
      ]);
      expect(dying).toMatchObject({ row: { outcome: { code: 'worker-crashed' } } });
      expect(living).toMatchObject([answered]);
    } finally {
      await pool.close();
    }
  });
});
