/**
 * Run as a process of its own: makes every call of NVML that sensors make, once, and prints the mark in its first
 * argument when all have returned, with whatever they said. The second names the library.
 */
import { otherwise } from '../../core/log.js';
import { openNvml } from './nvml-library.js';

const [mark, file] = process.argv.slice(2);

function attempt(call: () => unknown): void {
  try {
    call();
  } catch (error) {
    // An error is an answer: whoever calls in earnest meets it again, and tells it.
    otherwise(null, 'trying NVML')(error);
  }
}

attempt(() => {
  const nvml = openNvml(file);
  for (const gpu of nvml.gpus) {
    attempt(() => gpu.powerMilliwatts());
    attempt(() => gpu.energyMillijoules());
    attempt(() => gpu.utilisationPercent());
    attempt(() => gpu.memory());
    attempt(() => gpu.clockMegahertz('sm'));
    attempt(() => gpu.clockMegahertz('memory'));
    attempt(() => gpu.temperatureCelsius());
    attempt(() => gpu.throttleReasons());
    attempt(() => gpu.processes());
    attempt(() => gpu.utilisationBy(process.pid, 0));
  }
  nvml.close();
});
process.stdout.write(`\n${mark}\n`);
