import { type Channel, milliseconds, type Sensor, systems } from '../sensor.js';
import { type CounterFile, tryCounterFile } from './counter-file.js';
import { openCpuClock } from './cpu-time.js';
import { statusBytes } from './memory.js';

const gauge = (quantity: string): Channel => ({ quantity, device: 'process', unit: 'B', kind: 'gauge' });
const count = (quantity: string): Channel => ({
  quantity,
  device: 'process',
  unit: 'count',
  kind: 'counter',
});

const channels: Channel[] = [
  { quantity: 'cpuTime', device: 'process', unit: 'ns', kind: 'counter' },
  count('minorFaults'),
  count('majorFaults'),
  count('voluntarySwitches'),
  count('involuntarySwitches'),
  gauge('residentMemory'),
  gauge('peakMemory'),
];

/**
 * This process as a whole, all threads: CPU time, page faults, context switches, resident memory and its
 * high-water mark (VmHWM; whoever resets the mark moves it down). /proc/self/status counts the context
 * switches of the main thread alone, therefore getrusage is asked.
 */
export function processUsageSensor(root = '/proc'): Sensor {
  return {
    name: 'process',
    platforms: systems,
    reads: 'CPU time, page faults, context switches and resident memory of this process (getrusage, /proc)',
    async open() {
      const clock = openCpuClock();
      const status: CounterFile | null = tryCounterFile(`${root}/self/status`);
      const memory = () => {
        if (!status) {
          return { resident: process.memoryUsage.rss(), peak: process.resourceUsage().maxRSS * 1024 };
        }
        const text = status.text();
        return { resident: statusBytes(text, 'VmRSS'), peak: statusBytes(text, 'VmHWM') };
      };
      return {
        channels,
        missing: [],
        periodNs: milliseconds(250),
        arrives: false,
        read(sink) {
          const usage = process.resourceUsage();
          sink.put(0, clock.processNs());
          sink.put(1, usage.minorPageFault);
          sink.put(2, usage.majorPageFault);
          sink.put(3, usage.voluntaryContextSwitches);
          sink.put(4, usage.involuntaryContextSwitches);
          const { resident, peak } = memory();
          sink.put(5, resident);
          sink.put(6, peak);
        },
        close: () => status?.close(),
      };
    },
  };
}
