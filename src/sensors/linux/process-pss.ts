import { milliseconds, type Sensor } from '../sensor.js';
import { openCounterFile, refusal } from './counter-file.js';
import { type CpuClock, openCpuClock } from './cpu-time.js';
import { statusBytes } from './memory.js';

/** Share of one core that reading may cost, as long as it goes on. */
const mostShare = 1e-3;

/**
 * Proportional set size of this process: shared pages divided among their users, so that the weights of
 * a memory-mapped model count once however many processes map them. The kernel walks the whole page
 * table for it and holds the memory map's lock meanwhile: 6 ms for a model of 135 M parameters, and more
 * as more is mapped. Hence every two seconds, and less often where a reading took longer than that affords.
 */
export function processPssSensor(
  root = '/proc',
  cpu: Pick<CpuClock, 'processNs' | 'threadNs'> = openCpuClock(),
): Sensor {
  const path = `${root}/self/smaps_rollup`;
  return {
    name: 'process-pss',
    platforms: ['linux'],
    reads: `proportional set size of this process (${path})`,
    async open(clock) {
      try {
        const file = openCounterFile(path);
        try {
          statusBytes(file.text(), 'Pss');
        } catch (error) {
          file.close();
          throw error;
        }
        const cpuNs = cpu.threadNs ?? cpu.processNs;
        let notBeforeNs = 0;
        return {
          channels: [{ quantity: 'proportionalMemory', device: 'process', unit: 'B', kind: 'gauge' }],
          missing: [],
          periodNs: milliseconds(2000),
          arrives: false,
          read(sink) {
            if (clock.now() < notBeforeNs) return;
            const startNs = cpuNs();
            sink.put(0, statusBytes(file.text(), 'Pss'));
            notBeforeNs = clock.now() + (cpuNs() - startNs) / mostShare;
          },
          close: () => file.close(),
        };
      } catch (error) {
        const { reason, message } = refusal(error);
        return { reason, hint: `Needs Linux 4.14 or later with /proc mounted: ${message}` };
      }
    },
  };
}
