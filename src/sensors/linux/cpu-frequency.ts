import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { log } from '../../core/log.js';
import { type Channel, type MissingChannel, milliseconds, type Sensor } from '../sensor.js';
import { type CounterFile, refusal, tryCounterFile } from './counter-file.js';

/** Reading one core's frequency may interrupt that core; of many cores, so many evenly spaced are asked. */
const mostCores = 8;

/**
 * The cores' frequency, and how often a package was throttled for heat: whether a slow request ran on a
 * slow clock. Virtual machines mostly show neither.
 */
export function cpuFrequencySensor(root = '/sys'): Sensor {
  const directory = join(root, 'devices/system/cpu');
  return {
    name: 'cpu-frequency',
    reads: `mean and lowest core frequency, thermal throttling (${directory}/cpu*)`,
    async open() {
      const cores = coresOf(directory);
      const frequencies = evenly(cores, mostCores).flatMap((core) =>
        fileOf(join(core, 'cpufreq/scaling_cur_freq')),
      );
      const throttles = onePerPackage(cores).flatMap((core) =>
        fileOf(join(core, 'thermal_throttle/package_throttle_count')),
      );
      const missing: MissingChannel[] = [];
      const channels: Channel[] = [];
      if (frequencies.length > 0) {
        channels.push(frequency('meanFrequency'), frequency('lowestFrequency'));
      } else {
        missing.push(notThere('frequency', 'The kernel shows no cpufreq here, as in most virtual machines.'));
      }
      if (throttles.length > 0) {
        channels.push({ quantity: 'thermalThrottles', device: 'system', unit: 'count', kind: 'counter' });
      } else {
        missing.push(notThere('thermalThrottles', 'Only Intel processors on bare metal count throttling.'));
      }
      if (channels.length === 0) {
        return { reason: 'unsupported', hint: missing.map(({ hint }) => hint).join(' ') };
      }
      return {
        channels,
        missing,
        periodNs: milliseconds(500),
        arrives: false,
        read(sink) {
          let channel = 0;
          if (frequencies.length > 0) {
            const hertz = frequencies.map((file) => file.integer() * 1000);
            sink.put(channel++, hertz.reduce((sum, value) => sum + value, 0) / hertz.length);
            sink.put(channel++, Math.min(...hertz));
          }
          if (throttles.length > 0) {
            sink.put(
              channel,
              throttles.reduce((sum, file) => sum + file.integer(), 0),
            );
          }
        },
        close() {
          for (const file of [...frequencies, ...throttles]) file.close();
        },
      };
    },
  };
}

const frequency = (quantity: string): Channel => ({ quantity, device: 'system', unit: 'Hz', kind: 'gauge' });

const notThere = (quantity: string, hint: string): MissingChannel => ({
  device: 'system',
  quantity,
  reason: 'unsupported',
  hint,
});

function coresOf(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((entry) => /^cpu\d+$/.test(entry))
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
      .map((entry) => join(directory, entry));
  } catch (error) {
    if (refusal(error).reason === 'permission') throw error;
    return []; // Not Linux.
  }
}

function fileOf(path: string): CounterFile[] {
  const file = tryCounterFile(path);
  return file ? [file] : [];
}

function onePerPackage(cores: string[]): string[] {
  const first = new Map<string, string>();
  for (const core of cores) {
    let id = '0';
    try {
      id = readFileSync(join(core, 'topology/physical_package_id'), 'latin1').trim();
    } catch (error) {
      // A kernel without topology: one package as far as can be told.
      log('CPU topology: %s', error);
    }
    if (!first.has(id)) first.set(id, core);
  }
  return [...first.values()];
}

function evenly<Item>(items: Item[], most: number): Item[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, index) => items[Math.floor((index * items.length) / most)]!);
}
