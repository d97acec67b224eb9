/** Runs a request on a worker that gets stuck, closes the lane, and leaves as the command line does. */
import { fileURLToPath } from 'node:url';
import { openLane } from '../../../dist/run/lane.js';
import { leaveStuckThreads } from '../../../dist/run/stuck-threads.js';

const workerFile = fileURLToPath(new URL('./stuck-worker.mjs', import.meta.url));
const lane = openLane({ index: 0, models: [], originNs: 0n, alone: true, workerFile, graceMs: 100 });
await lane.load();
const { reply } = await lane.run('m', {}, { deadlineMs: null, patienceMs: 200 });
await lane.close();
process.stdout.write(`${reply.code}\n`, () => {
  leaveStuckThreads(3);
  process.exit(0);
});
