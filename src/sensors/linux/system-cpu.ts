import { readFileSync } from 'node:fs';
import { type Channel, milliseconds, type Sensor } from '../sensor.js';
import { openCounterFile, refusal, tryCounterFile } from './counter-file.js';

// /proc/stat counts in USER_HZ, fixed at 100 for every architecture that Node runs on (man 5 proc).
export const tickNs = 1e7;

const quantities = ['busyTime', 'idleTime', 'waitTime', 'stolenTime'];
const channels: Channel[] = quantities.map((quantity) => ({
  quantity,
  device: 'system',
  unit: 'ns',
  kind: 'counter',
}));

/**
 * CPU time of the whole machine over all cores, in ticks of 10 ms. `busyTime` is user, nice, system and
 * interrupt time; guests are already counted in user. `stolenTime` is what a hypervisor gave to others.
 */
export function systemCpuSensor(root = '/proc'): Sensor {
  const path = `${root}/stat`;
  return {
    name: 'system-cpu',
    platforms: ['linux'],
    reads: `busy, idle, waiting and stolen CPU time of the machine (${path})`,
    async open() {
      try {
        const file = openCounterFile(path);
        try {
          systemTimes(file.text());
        } catch (error) {
          file.close();
          throw error;
        }
        return {
          channels,
          missing: [],
          periodNs: milliseconds(250),
          arrives: false,
          read: (sink) => {
            for (const [channel, timeNs] of systemTimes(file.text()).entries()) sink.put(channel, timeNs);
          },
          close: () => file.close(),
        };
      } catch (error) {
        const { reason, message } = refusal(error);
        return { reason, hint: `Needs Linux with /proc mounted: ${message}` };
      }
    },
  };
}

/** The times in ns, in the order of the channels, from the text of /proc/stat. */
export function systemTimes(stat: string): number[] {
  const line = /^cpu +(\d[\d ]*)$/m.exec(stat)?.[1];
  const ticks = line?.trim().split(/ +/).map(Number) ?? [];
  if (ticks.length < 4) throw new Error('/proc/stat has no line of all CPUs');
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, interrupt = 0, soft = 0, stolen = 0] = ticks;
  return [user + nice + system + interrupt + soft, idle, wait, stolen].map((value) => value * tickNs);
}

/**
 * Begins to watch what other processes use of the CPU. The function returned gives it in cores since then, to
 * ticks of 10 ms of the whole machine; null where there is no /proc/stat.
 */
export function openOthersCpu(root = '/proc'): (() => number) | null {
  const tried = tryCounterFile(`${root}/stat`);
  if (tried === null) return null;
  tried.close();
  const look = () => {
    const [busyNs = 0] = systemTimes(readFileSync(`${root}/stat`, 'latin1'));
    const { user, system } = process.cpuUsage();
    return { atNs: Number(process.hrtime.bigint()), othersNs: busyNs - (user + system) * 1000 };
  };
  const begin = look();
  return () => {
    const end = look();
    return Math.max(0, (end.othersNs - begin.othersNs) / (end.atNs - begin.atNs));
  };
}
