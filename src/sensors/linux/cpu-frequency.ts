import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { log } from '../../core/log.js';
import { type Channel, type MissingChannel, milliseconds, type Sensor } from '../sensor.js';
import { type CounterFile, refusal, tryCounterFile } from './counter-file.js';

/** Reading one core's frequency may interrupt that core; of many cores, so many evenly spaced are asked. */
const mostCores = 8;

/**
 * The cores' frequency, the limit that is set to it, and how often packages and cores were throttled for heat: whether a
 * slow request ran on a slow clock. `frequencyLimit` is the lowest of the cores' limits, as a share of what the
 * hardware can; a driver lowers it for heat too. Virtual machines mostly show none of it.
 */
export function cpuFrequencySensor(root = '/sys'): Sensor {
  const directory = join(root, 'devices/system/cpu');
  return {
    name: 'cpu-frequency',
    platforms: ['linux'],
    reads: `mean and lowest core frequency, its limit, thermal throttling (${directory}/cpu*)`,
    async open() {
      const cores = coresOf(directory);
      const asked = evenly(cores, mostCores);
      const frequencies = asked.flatMap((core) => fileOf(join(core, 'cpufreq/scaling_cur_freq')));
      const limits = asked.flatMap(limitOf);
      const throttles = throttleCounts(cores);
      const missing: MissingChannel[] = [];
      const channels: Channel[] = [];
      if (frequencies.length > 0) {
        channels.push(frequency('meanFrequency'), frequency('lowestFrequency'));
      } else {
        missing.push(notThere('frequency', 'The kernel shows no cpufreq here, as in most virtual machines.'));
      }
      if (limits.length > 0)
        channels.push({ quantity: 'frequencyLimit', device: 'system', unit: 'ratio', kind: 'gauge' });
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
          if (limits.length > 0)
            sink.put(channel++, Math.min(...limits.map(({ file, highest }) => file.integer() / highest)));
          if (throttles.length > 0) sink.put(channel, sumOf(throttles));
        },
        close() {
          for (const file of [...frequencies, ...limits.map(({ file: of }) => of), ...throttles])
            file.close();
        },
      };
    },
  };
}

/** Begins to watch thermal throttling. The function returned gives how often it set in since then. */
export function openThermalThrottles(root = '/sys'): (() => number) | null {
  const files = throttleCounts(coresOf(join(root, 'devices/system/cpu')));
  if (files.length === 0) return null;
  const begin = sumOf(files);
  return () => {
    const since = sumOf(files) - begin;
    for (const file of files) file.close();
    return since;
  };
}

/** The count of each package, and of each core by itself: threads of one core show the same. */
function throttleCounts(cores: string[]): CounterFile[] {
  const counts = (level: 'package' | 'core') =>
    oneEach(cores, level).flatMap((core) => fileOf(join(core, `thermal_throttle/${level}_throttle_count`)));
  return [...counts('package'), ...counts('core')];
}

const sumOf = (files: readonly CounterFile[]): number => files.reduce((sum, file) => sum + file.integer(), 0);

/** The limit set to a core's frequency, in kHz as is the highest that its hardware can. */
function limitOf(core: string): { file: CounterFile; highest: number }[] {
  const highest = tryCounterFile(join(core, 'cpufreq/cpuinfo_max_freq'));
  if (highest === null) return [];
  const kilohertz = highest.integer();
  highest.close();
  return kilohertz > 0
    ? fileOf(join(core, 'cpufreq/scaling_max_freq')).map((file) => ({ file, highest: kilohertz }))
    : [];
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

/** The first logical core of each package, or of each core of a package. */
function oneEach(cores: string[], level: 'package' | 'core'): string[] {
  const first = new Map<string, string>();
  for (const core of cores) {
    const id = `${topology(core, 'physical_package_id')} ${level === 'core' ? topology(core, 'core_id') : ''}`;
    if (!first.has(id)) first.set(id, core);
  }
  return [...first.values()];
}

function topology(core: string, name: string): string {
  try {
    return readFileSync(join(core, 'topology', name), 'latin1').trim();
  } catch (error) {
    // A kernel without topology: one package of one core as far as can be told.
    log('CPU topology: %s', error);
    return '0';
  }
}

function evenly<Item>(items: Item[], most: number): Item[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, index) => items[Math.floor((index * items.length) / most)]!);
}
