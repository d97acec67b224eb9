import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Nanoseconds } from '../../core/units.js';
import { milliseconds, type Sensor } from '../sensor.js';
import { type CounterFile, refusal, tryCounterFile } from './counter-file.js';

/**
 * CPU time that quotas withheld from this process's control groups, as in a container with a limit: summed over cores,
 * and over the groups around it, as each may have a limit of its own
 * (docs.kernel.org/scheduler/sched-bwc.html). `root` holds proc/ and sys/.
 */
export function cpuQuotaSensor(root = '/'): Sensor {
  return {
    name: 'cpu-quota',
    platforms: ['linux'],
    reads: `CPU time that a quota of a container withheld (cpu.stat in ${join(root, 'sys/fs/cgroup')})`,
    async open() {
      const files = openStats(root);
      if ('reason' in files) return files;
      return {
        channels: [{ quantity: 'withheldTime', device: 'system', unit: 'ns', kind: 'counter' }],
        missing: [],
        periodNs: milliseconds(500),
        arrives: false,
        read: (sink) => sink.put(0, sumOf(files)),
        close: () => {
          for (const file of files) file.close();
        },
      };
    },
  };
}

/** Begins to watch the CPU time that quotas withhold. The function returned gives it in cores since then. */
export function openWithheldCpu(root = '/'): (() => number) | null {
  const files = openStats(root);
  if ('reason' in files) return null;
  const [beginNs, withheldNs] = [process.hrtime.bigint(), sumOf(files)];
  return () => {
    const cores = (sumOf(files) - withheldNs) / Number(process.hrtime.bigint() - beginNs);
    for (const file of files) file.close();
    return cores;
  };
}

/** The time in ns of a `cpu.stat` of either version of control groups; null where it tells none. */
export function withheldNs(stat: string): Nanoseconds | null {
  const [, name, time] = /^(throttled_usec|throttled_time) (\d+)$/m.exec(stat) ?? [];
  return time === undefined ? null : Number(time) * (name === 'throttled_usec' ? 1000 : 1);
}

function sumOf(files: readonly CounterFile[]): Nanoseconds {
  return files.reduce((sum, file) => sum + (withheldNs(file.text()) ?? 0), 0);
}

function openStats(root: string) {
  let groups: string;
  try {
    groups = readFileSync(join(root, 'proc/self/cgroup'), 'utf8');
  } catch (error) {
    const { reason, message } = refusal(error);
    return { reason, hint: `Needs Linux with /proc mounted: ${message}` };
  }
  const files: CounterFile[] = [];
  for (const folder of foldersOf(groups, join(root, 'sys/fs/cgroup'))) {
    const file = tryCounterFile(join(folder, 'cpu.stat'));
    if (file === null) continue;
    if (withheldNs(file.text()) === null) file.close();
    else files.push(file);
  }
  if (files.length > 0) return files;
  return {
    reason: 'unsupported' as const,
    hint: 'No control group around this process has the CPU controller, so that no quota holds it.',
  };
}

/**
 * The folders of a process's groups, from /proc/self/cgroup (`ID:CONTROLLERS:PATH`), and of those around them. A
 * container may see its own group as the root, under the path that the host knows it by.
 */
function foldersOf(groups: string, mount: string): Set<string> {
  const folders = new Set<string>();
  for (const line of groups.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined || (controllers !== '' && !controllers!.split(',').includes('cpu'))) continue;
    const parts = path.split('/').filter((part) => part !== '' && part !== '..');
    for (let depth = parts.length; depth >= 0; depth--)
      folders.add(join(mount, controllers!, ...parts.slice(0, depth)));
  }
  return folders;
}
