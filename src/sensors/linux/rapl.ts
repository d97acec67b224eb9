import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { log } from '../../core/log.js';
import { MonotonicCounter } from '../monotonic-counter.js';
import { type Channel, type MissingChannel, type OpenSensor, oftenNs, type Sensor } from '../sensor.js';
import { type CounterFile, openCounterFile, refusal } from './counter-file.js';

interface Zone {
  channel: Channel;
  file: CounterFile;
  counter: MonotonicCounter;
}

// The most power-hungry sockets draw a tenth of it.
const mostWatts = 5000;

/**
 * CPU energy by RAPL through the powercap tree of Linux (Intel and AMD): each socket's package, and its
 * DRAM, which the package does not contain. Not read are `core` and `uncore`, contained in the package;
 * `psys`, which contains the packages and would be counted twice beside them; and `intel-rapl-mmio`,
 * a second view of the same counters.
 */
export function raplSensor(root = '/sys'): Sensor {
  const directory = join(root, 'class/powercap');
  return {
    name: 'rapl',
    platforms: ['linux'],
    architectures: ['x64'],
    figures: ['cpuEnergy'],
    reads: `energy of CPU packages and DRAM (${join(directory, 'intel-rapl:*')})`,
    async open(clock) {
      const missing: MissingChannel[] = [];
      const zones = zonesOf(directory).flatMap(({ path, device }) => {
        try {
          return [openZone(path, device)];
        } catch (error) {
          const { reason, message } = refusal(error);
          const hint = reason === 'permission' ? permissionHint(directory) : message;
          missing.push({ device, quantity: 'energy', reason, hint });
          return [];
        }
      });
      const refused = missing[0];
      if (zones.length === 0) {
        return refused
          ? { reason: refused.reason, hint: refused.hint }
          : { reason: 'unsupported', hint: absenceHint(directory) };
      }
      return openZones(withoutMirrors(zones), missing, () => clock.now());
    },
  };
}

const absenceHint = (directory: string) =>
  `${directory} has no RAPL zone: none on this processor, or a virtual machine hides it; on bare metal try: sudo modprobe intel_rapl_msr`;

const permissionHint = (directory: string) =>
  `Energy counters may be read by root only; allow it with: sudo chmod a+r ${directory}/intel-rapl:*/energy_uj ${directory}/intel-rapl:*/intel-rapl:*/energy_uj`;

function openZones(zones: Zone[], missing: MissingChannel[], now: () => number): OpenSensor {
  const lost = new Set<number>();
  return {
    channels: zones.map((zone) => zone.channel),
    missing,
    periodNs: oftenNs, // It ticks every ms; reading that often would cost more than sharper edges are worth.
    arrives: false,
    read(sink) {
      for (const [index, { file, counter }] of zones.entries()) {
        if (lost.has(index)) continue;
        try {
          const raw = file.integer();
          const atNs = now();
          sink.put(index, counter.next(raw, atNs), atNs);
        } catch (error) {
          lost.add(index);
          sink.lose(index, refusal(error).message);
        }
      }
    },
    close() {
      for (const { file } of zones) file.close();
    },
  };
}

function zonesOf(directory: string): { path: string; device: string }[] {
  // The kernel numbers zones in hexadecimal (`%x` in drivers/powercap/powercap_sys.c).
  const packages = children(directory, /^intel-rapl:[\da-f]+$/).filter(({ name }) =>
    name.startsWith('package-'),
  );
  return packages.flatMap(({ path, name }) => [
    { path, device: name },
    ...children(path, /^intel-rapl:[\da-f]+:[\da-f]+$/)
      .filter((zone) => zone.name === 'dram')
      .map((zone) => ({ path: zone.path, device: `dram-${name.slice('package-'.length)}` })),
  ]);
}

function children(directory: string, pattern: RegExp): { path: string; name: string }[] {
  let entries: string[];
  try {
    entries = readdirSync(directory);
  } catch (error) {
    log('RAPL: %s', error);
    return []; // Not Linux, or a kernel without powercap: no zones.
  }
  return entries
    .filter((entry) => pattern.test(entry))
    .sort((a, b) => zoneNumber(a) - zoneNumber(b))
    .flatMap((entry) => {
      const path = join(directory, entry);
      try {
        return [{ path, name: readFileSync(join(path, 'name'), 'latin1').trim() }];
      } catch (error) {
        log('RAPL: %s', error);
        return []; // A zone without a name is none that we know.
      }
    });
}

/** `intel-rapl:0:a` is the eleventh part of its package. */
const zoneNumber = (entry: string) => Number.parseInt(entry.slice(entry.lastIndexOf(':') + 1), 16);

/**
 * The zones without those that show another die's counter. Dies of one package have counters of their own on
 * some processors and repeat the package's on others (Threadripper), where their sum would be a multiple of
 * what was used. A counter that lies between two readings of another, from one origin, is the same one. Of a
 * package with one counter the device is called `package-0`, and not by its die.
 */
function withoutMirrors(zones: readonly Zone[]): Zone[] {
  const dies = new Map<string, Zone[]>();
  const kept: Zone[] = [];
  for (const zone of zones) {
    const packageName = /^(.+)-die-\d+$/.exec(zone.channel.device)?.[1];
    const others = packageName === undefined ? [] : (dies.get(packageName) ?? []);
    if (others.some((other) => isMirror(zone.file, other.file))) {
      zone.file.close();
      continue;
    }
    if (packageName !== undefined) dies.set(packageName, [...others, zone]);
    kept.push(zone);
  }
  const hasMirror = (name: string) => {
    const pattern = new RegExp(`^${name}-die-\\d+$`);
    return zones.filter(({ channel }) => pattern.test(channel.device)).length > 1;
  };
  for (const [name, [only, ...others]] of dies) {
    if (only !== undefined && others.length === 0 && hasMirror(name))
      only.channel = { ...only.channel, device: name };
  }
  return kept;
}

function isMirror(one: CounterFile, other: CounterFile): boolean {
  const before = other.integer();
  const between = one.integer();
  return before <= between && between <= other.integer();
}

function openZone(path: string, device: string): Zone {
  const largest = Number(readFileSync(join(path, 'max_energy_range_uj'), 'latin1'));
  const file = openCounterFile(join(path, 'energy_uj'));
  try {
    file.integer();
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    channel: { quantity: 'energy', device, unit: 'J', kind: 'counter' },
    file,
    counter: new MonotonicCounter({
      largest: Number.isFinite(largest) && largest > 0 ? largest : null,
      scale: 1e-6,
      mostPerSecond: mostWatts,
    }),
  };
}
