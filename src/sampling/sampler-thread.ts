/**
 * The sampler's own thread. Inference blocks the thread it runs on, so nothing that must keep time may
 * share one with it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { monotonicClock } from '../core/clock.js';
import { openCpuClock } from '../sensors/linux/cpu-time.js';
import { calibrate } from './calibrate.js';
import { openSensors } from './opened-sensor.js';
import { deepRest, lightRest } from './rest.js';
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
const rest = loop.awaitsEvents
  ? lightRest<ToSampler>(port, clock)
  : deepRest<ToSampler>(port, task.bell, clock);
const startedNs = clock.now();
const startedCpuNs = cpu.threadNs?.() ?? null;
say({ kind: 'ready', records });

let endNs = Number.POSITIVE_INFINITY;
while (clock.now() < endNs) {
  const dueNs = loop.turn();
  await rest.until(Math.min(dueNs, endNs));
  for (const { kind } of rest.messages()) {
    if (kind === 'clock') say({ kind, nowNs: clock.now() });
    else endNs = Math.min(endNs, clock.now() + loop.lingerNs);
  }
}
loop.close();
say({
  kind: 'stopped',
  startedNs,
  durationNs: clock.now() - startedNs,
  cpuTimeNs: startedCpuNs === null ? null : cpu.threadNs!() - startedCpuNs,
  activities: loop.activities,
});
port.close();
