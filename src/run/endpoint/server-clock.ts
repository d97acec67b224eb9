import { setTimeout as delay } from 'node:timers/promises';
import { otherwise } from '../../core/log.js';
import type { Nanoseconds } from '../../core/units.js';
import { openProcessClocks } from '../../sensors/linux/cpu-time.js';
import { ProcessTree } from '../../sensors/server/process-tree.js';

/** The CPU time of servers' processes, read around a request that is the only one in flight. */
export interface ServerClocks {
  readonly method: string;
  /** Whether no more than one request is in flight while the run measures; else only where requests are sent alone. */
  readonly aroundEach: boolean;
  /** CPU time of the server's process and of all that it started; null where it has ended. */
  read(server: string): Promise<Nanoseconds | null>;
  /** What all servers used since this was first called, as far as they have been read. */
  usedNs(): Nanoseconds;
  close(): void;
}

/**
 * After an answer has ended a server still tidies up, and the kernel brings the clock of a running process up to date
 * every few ms only: once it waits again, its clock is exact.
 */
const settleMs = 5;

/** Null where the processes of not all servers are known, or their clocks cannot be read. */
export function openServerClocks(
  servers: Iterable<string>,
  pids: ReadonlyMap<string, number>,
  now: () => Nanoseconds,
  aroundEach: boolean,
): ServerClocks | null {
  const clocks = openProcessClocks();
  if (clocks === null) return null;
  const trees = new Map<string, ProcessTree>();
  const lastNs = new Map<string, Nanoseconds>();
  let originNs: Nanoseconds | null = null;
  const close = () => {
    for (const tree of trees.values()) tree.close();
  };
  try {
    for (const id of servers) {
      const pid = pids.get(id);
      if (pid === undefined) {
        close();
        return null;
      }
      trees.set(id, new ProcessTree(pid, '/proc', clocks.ofProcess));
    }
  } catch (error) {
    close();
    return otherwise(null, 'the CPU clock of a server')(error);
  }
  return {
    aroundEach,
    method:
      'CPU clocks of the server’s process and of all that it started, read before the request and once its answer had ended, with no other in flight',
    async read(server) {
      await delay(settleMs);
      const tree = trees.get(server)!;
      const cpuNs = tree.cpuNs(now());
      lastNs.set(server, cpuNs);
      return tree.ended ? null : cpuNs;
    },
    usedNs() {
      let sumNs = 0;
      for (const [server, tree] of trees) sumNs += lastNs.get(server) ?? tree.cpuNs(now());
      originNs ??= sumNs;
      return sumNs - originNs;
    },
    close,
  };
}
