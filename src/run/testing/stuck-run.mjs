/** Runs a request on a worker that gets stuck, closes the slot, and leaves as the command line does. */
import { fileURLToPath } from 'node:url';
import { openWorkerSlot } from '../../../dist/run/workers/slot.js';
import { leaveStuckThreads } from '../../../dist/run/workers/stuck-threads.js';

const workerFile = fileURLToPath(new URL('./stuck-worker.mjs', import.meta.url));
const slot = openWorkerSlot({ index: 0, models: [], originNs: 0n, alone: true, workerFile, graceMs: 100 });
await slot.load();
const { row } = await slot.run('m', {}, { deadlineMs: null, stallTimeoutMs: 200 });
await slot.close();
process.stdout.write(`${row.outcome.code}\n`, () => {
  leaveStuckThreads(3);
  process.exit(0);
});
