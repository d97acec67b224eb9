/**
 * The sampler's own thread. Inference blocks the thread it runs on, so nothing that must keep time may
 * share one with it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { monotonicClock } from '../core/clock.js';
import { openCpuClock } from '../sensors/cpu-time.js';
import { calibrate } from './calibrate.js';
import { openSensors } from './opened-sensor.js';
import { SampleRing } from './ring.js';
import type { FromSampler, SamplerTask, ToSampler } from './sampler-protocol.js';
import { SamplingLoop } from './sampling-loop.js';

const task = workerData as SamplerTask;
const clock = monotonicClock(task.originNs);
const cpu = openCpuClock();
const port = parentPort!;
const say = (message: FromSampler) => port.postMessage(message);

const { opened, records } = await openSensors(task.sensors, clock);
await calibrate(opened, clock, task.calibrateForNs);

const loop = new SamplingLoop(opened, new SampleRing(task.ring), clock, task.rateFactor);
const startedNs = clock.now();
const startedCpuNs = cpu.threadNs?.() ?? null;
loop.start();
port.on('message', (message: ToSampler) => {
  if (message.kind === 'clock') say({ kind: 'clock', nowNs: clock.now() });
  else void stop();
});
say({ kind: 'ready', records });

async function stop(): Promise<void> {
  await loop.stop();
  const durationNs = clock.now() - startedNs;
  const cpuTimeNs = startedCpuNs === null ? null : cpu.threadNs!() - startedCpuNs;
  say({ kind: 'stopped', startedNs, durationNs, cpuTimeNs, activities: loop.activities });
  port.close();
}
