import { openCounterFile, refusal } from './counter-file.js';
import { statusBytes } from './memory.js';
import { milliseconds, type Sensor } from './sensor.js';

/**
 * Proportional set size of this process: shared pages divided among their users, so that the weights of
 * a memory-mapped model count once however many processes map them. The kernel walks the whole page
 * table for it and holds the memory map's lock meanwhile, milliseconds for a large model: hence every two
 * seconds.
 */
export function processPssSensor(root = '/proc'): Sensor {
  const path = `${root}/self/smaps_rollup`;
  return {
    name: 'process-pss',
    reads: `proportional set size of this process (${path})`,
    async open() {
      try {
        const file = openCounterFile(path);
        try {
          statusBytes(file.text(), 'Pss');
        } catch (error) {
          file.close();
          throw error;
        }
        return {
          channels: [{ quantity: 'proportionalMemory', device: 'process', unit: 'B', kind: 'gauge' }],
          missing: [],
          periodNs: milliseconds(2000),
          arrives: false,
          read: (sink) => sink.put(0, statusBytes(file.text(), 'Pss')),
          close: () => file.close(),
        };
      } catch (error) {
        const { reason, message } = refusal(error);
        return { reason, hint: `Needs Linux 4.14 or later with /proc mounted: ${message}` };
      }
    },
  };
}
