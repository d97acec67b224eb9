import type { Clock } from '../../core/clock.js';
import { type MissingChannel, milliseconds, type Sensor } from '../sensor.js';
import { type CounterFile, openCounterFile, refusal } from './counter-file.js';

const resources = ['cpu', 'memory', 'io'] as const;

/**
 * Pressure stall information: how long some task of the machine had to wait for CPU, memory or I/O, the
 * sign that a neighbour disturbs what is measured (docs.kernel.org/accounting/psi.html).
 */
export function pressureSensor(root = '/proc'): Sensor {
  return {
    name: 'pressure',
    platforms: ['linux'],
    reads: `time in which some task waited for CPU, memory or I/O (${root}/pressure)`,
    async open(_clock: Clock) {
      const files: { resource: string; file: CounterFile }[] = [];
      const missing: MissingChannel[] = [];
      for (const resource of resources) {
        try {
          const file = openCounterFile(`${root}/pressure/${resource}`);
          stalledNs(file.text()); // Built in but switched off, opening works and reading answers EOPNOTSUPP.
          files.push({ resource, file });
        } catch (error) {
          missing.push({ device: 'system', quantity: `${resource}Stall`, ...absence(error) });
        }
      }
      if (files.length === 0) return { reason: missing[0]!.reason, hint: missing[0]!.hint };
      return {
        channels: files.map(({ resource }) => ({
          quantity: `${resource}Stall`,
          device: 'system',
          unit: 'ns' as const,
          kind: 'counter' as const,
        })),
        missing,
        periodNs: milliseconds(500),
        arrives: false,
        read(sink) {
          for (const [channel, { file }] of files.entries()) sink.put(channel, stalledNs(file.text()));
        },
        close() {
          for (const { file } of files) file.close();
        },
      };
    },
  };
}

/** Total time in ns in which some task stalled, from the text of a pressure file. */
export function stalledNs(text: string): number {
  const total = /^some .*\btotal=(\d+)$/m.exec(text)?.[1];
  if (total === undefined) throw new Error('the pressure file has no line of "some" with a total');
  return Number(total) * 1000;
}

function absence(error: unknown) {
  const { reason, message } = refusal(error);
  return { reason, hint: `Needs Linux 4.20 or later booted with psi=1: ${message}` };
}
