/**
 * sensors/ reads the machine's counters, one file per counter. A sensor says by which method it reads,
 * or for which reason it cannot, and never answers 0 for "not measured".
 */

import koffi from 'koffi';
import { log, otherwise } from '../../core/log.js';
import type { Nanoseconds } from '../../core/units.js';
import type { Absence } from '../absence.js';

/** CPU time used so far, by this process and by single threads of it. */
export interface CpuClock {
  method: string;
  /** The whole process, all threads, user and system time. */
  processNs(): Nanoseconds;
  /** The calling thread; null where threads cannot be told apart. */
  threadNs: (() => Nanoseconds) | null;
  /** Another thread of this process by its OS id; null where that cannot be read. */
  otherThreadNs: ((threadId: number) => Nanoseconds) | null;
}

/** The figures of a request's CPU time, and how they come about. */
export interface RequestCpuTime {
  method: string;
  /** CPU time so far of every thread that works for the requests of the calling thread. */
  read(): Nanoseconds;
}

/**
 * CLOCK_PROCESS_CPUTIME_ID and CLOCK_THREAD_CPUTIME_ID of each system, by its C headers: include/uapi/linux/time.h,
 * Darwin's time.h.
 */
export const cpuClockIds: Partial<Record<NodeJS.Platform, { process: number; thread: number }>> = {
  linux: { process: 2, thread: 3 },
  darwin: { process: 12, thread: 16 },
};
// On Linux a thread's own clock packs its id, per include/linux/posix-timers_types.h: CPUCLOCK_SCHED |
// CPUCLOCK_PERTHREAD_MASK.
const clockOfThread = (threadId: number) => (~threadId << 3) | 6;
// A whole process's, by its id: CPUCLOCK_SCHED alone.
const clockOfProcess = (pid: number) => (~pid << 3) | 2;
// Advances once per tick of the scheduler, so that its resolution is the length of a tick.
const coarseClock = 5;
type ClockGettime = (clock: number, timespec: BigInt64Array) => number;

/**
 * The most precise CPU clock of this platform.
 *
 * On Linux that is `clock_gettime`, and not /proc/self/task/N/schedstat: the kernel brings schedstat of
 * a running thread up to date only at its timer tick, the clock reads it up to the moment. Around 5 ms
 * of spinning on a kernel with 250 Hz, schedstat erred by −1 to +3 ms, the clock by 3 µs; a reading
 * takes 0.3 µs against 6 µs.
 */
export function openCpuClock(
  platform: NodeJS.Platform = process.platform,
  load: () => ClockGettime = () => koffi.load(null).func('int clock_gettime(int, void *)'),
): CpuClock {
  return posixCpuClock(platform, load) ?? nodeCpuClock();
}

/**
 * The step in which a clock of CPU time grows, the largest of a few that are waited for within `withinMs`; null where
 * none is seen. Burns the CPU meanwhile.
 */
export function cpuClockStep({ threadNs, processNs }: CpuClock, withinMs = 60): Nanoseconds | null {
  const read = threadNs ?? processNs;
  const until = performance.now() + withinMs;
  const steps: Nanoseconds[] = [];
  for (let last = read(); steps.length < 4 && performance.now() < until; ) {
    const now = read();
    if (now > last) steps.push(now - last);
    last = now;
  }
  // The first is cut off where the waiting began; of the others one may hold an interruption.
  return steps.length < 2 ? null : Math.min(...steps.slice(1));
}

/**
 * How to read the CPU time of requests that run on the calling thread and on `computeThreadIds`
 * besides. Where threads cannot be told apart, a request that runs `alone` is charged with the whole
 * process; otherwise there is no figure.
 */
export function requestCpuTime(
  clock: CpuClock,
  computeThreadIds: readonly number[] | null,
  alone: boolean,
): RequestCpuTime | Absence {
  const { threadNs, otherThreadNs } = clock;
  if (threadNs && computeThreadIds?.length === 0) return { method: clock.method, read: threadNs };
  if (threadNs && otherThreadNs && computeThreadIds !== null) {
    return {
      method: `${clock.method}, summed over the request's thread and its engine's ${computeThreadIds.length} more`,
      read: () => computeThreadIds.reduce((sum, id) => sum + otherThreadNs(id), threadNs()),
    };
  }
  if (alone) {
    return { method: 'CPU time of the whole process while the request ran alone', read: clock.processNs };
  }
  return {
    reason: 'unsupported',
    hint: 'This platform or engine does not tell threads apart; run with --concurrency 1.',
  };
}

/** CPU time of other processes. */
export interface ProcessClocks {
  /** All threads of the process, dead ones too, without its children; null where there is no such process. */
  ofProcess(pid: number): Nanoseconds | null;
  /** So far a reading may lag behind for every thread that runs at that moment. */
  tickNs: Nanoseconds;
}

/**
 * The CPU clocks of other processes on Linux; null elsewhere, and where the kernel refuses them. In ns, as schedstat is,
 * and for a 100th of its cost, but not up to the moment as this process's own clocks are: the kernel adds what another
 * process's running thread has used at ticks of the scheduler and whenever the thread waits (`thread_group_cputime` in
 * kernel/sched/cputime.c). A process that waits is read exactly.
 */
export function openProcessClocks(
  load = () => {
    const library = koffi.load(null);
    const clockGettime: ClockGettime = library.func('int clock_gettime(int, void *)');
    const clockGetres: ClockGettime = library.func('int clock_getres(int, void *)');
    return { clockGettime, clockGetres };
  },
): ProcessClocks | null {
  if (process.platform !== 'linux') return null;
  try {
    const { clockGettime, clockGetres } = load();
    const timespec = new BigInt64Array(2);
    const ask = (call: ClockGettime, clock: number) =>
      call(clock, timespec) === 0 ? Number(timespec[0]) * 1e9 + Number(timespec[1]) : null;
    const ofProcess = (pid: number) => ask(clockGettime, clockOfProcess(pid));
    const tickNs = ask(clockGetres, coarseClock);
    return tickNs === null || ofProcess(process.pid) === null ? null : { ofProcess, tickNs };
  } catch (error) {
    return otherwise(null, 'clocks of other processes')(error);
  }
}

function posixCpuClock(platform: NodeJS.Platform, load: () => ClockGettime): CpuClock | null {
  const ids = cpuClockIds[platform];
  if (ids === undefined) return null;
  let clockGettime: ClockGettime;
  try {
    clockGettime = load();
  } catch (error) {
    log('clock_gettime: %s', error);
    return null; // A libc that does not export it: the portable clock is what remains.
  }
  const timespec = new BigInt64Array(2);
  const read = (clock: number): Nanoseconds => {
    if (clockGettime(clock, timespec) !== 0) throw new Error(`CPU clock ${clock} cannot be read`);
    return Number(timespec[0]) * 1e9 + Number(timespec[1]);
  };
  return {
    method: 'thread CPU clock (clock_gettime)',
    processNs: () => read(ids.process),
    threadNs: () => read(ids.thread),
    otherThreadNs: platform === 'linux' ? (threadId) => read(clockOfThread(threadId)) : null,
  };
}

function nodeCpuClock(): CpuClock {
  const processNs = () => nanoseconds(process.cpuUsage());
  // From Node 23.9 on; absent from the types of the Node version this is built for.
  const { threadCpuUsage } = process as { threadCpuUsage?: () => NodeJS.CpuUsage };
  return {
    method: threadCpuUsage ? 'process.threadCpuUsage' : 'process.cpuUsage',
    processNs,
    threadNs: threadCpuUsage ? () => nanoseconds(threadCpuUsage.call(process)) : null,
    otherThreadNs: null,
  };
}

const nanoseconds = (usage: NodeJS.CpuUsage): Nanoseconds => (usage.user + usage.system) * 1000;
