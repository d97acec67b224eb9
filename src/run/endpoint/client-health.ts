import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { Warning } from '../../core/codes.js';
import type { ClientRecord } from '../../core/records/arrivals.js';
import type { Nanoseconds } from '../../core/units.js';
import { type CpuClock, openCpuClock } from '../../sensors/linux/cpu-time.js';

/** Timers of Node err by a ms, so that finer ticks would measure that error. */
const resolutionMs = 10;

/**
 * Where the client begins to be what is measured. `mainThread`: a queue whose server is busy for 70% of the time makes a
 * request wait 2.3 times as long as it is served (M/M/1: ρ ÷ (1 − ρ)), and every token's event is such a request.
 * `delayNs`: of 50 tokens a second and more, gaps are 20 ms and less; a quarter of that is seen in their percentiles.
 * `blocked`: beyond one instant in 20, half the events that a p90 rests on may be late by the client alone.
 */
const clientLimits = { mainThread: 0.7, delayNs: 5e6, blocked: 0.05 };

/** Readings of a thread that sends and reads; each is since any origin. */
export interface ClientCounters {
  nowNs(): Nanoseconds;
  /** CPU time of the process, all threads. */
  processNs(): Nanoseconds;
  /** CPU time of the calling thread; null where it cannot be told apart. */
  threadNs: (() => Nanoseconds) | null;
  /** Time in which the thread's event loop ran, and did not wait for events. */
  loopActiveNs(): Nanoseconds;
  /** Distances of the ticks of a timer. */
  ticks: Pick<IntervalHistogram, 'count' | 'mean' | 'max' | 'percentile' | 'disable'>;
}

function ownCounters(clock: CpuClock = openCpuClock()): ClientCounters {
  const ticks = monitorEventLoopDelay({ resolution: resolutionMs });
  ticks.enable();
  return {
    nowNs: () => Number(process.hrtime.bigint()),
    processNs: clock.processNs,
    threadNs: clock.threadNs,
    loopActiveNs: () => performance.eventLoopUtilization().active * 1e6,
    ticks,
  };
}

/** Begins to watch the process, on the thread that sends and reads; what is returned ends it and says what was seen. */
export function watchClient(
  counters: ClientCounters = ownCounters(),
): (spunNs?: Nanoseconds) => ClientRecord {
  const { nowNs, processNs, threadNs, loopActiveNs, ticks } = counters;
  // Precise waits are no work: they are taken from what the thread did.
  const busyNs = threadNs ?? loopActiveNs;
  const began = { nowNs: nowNs(), processNs: processNs(), busyNs: busyNs() };
  return (spunNs = 0) => {
    ticks.disable();
    const durationNs = nowNs() - began.nowNs;
    const share = (usedNs: number) => (durationNs > 0 ? Math.max(0, usedNs) / durationNs : 0);
    const resolution = resolutionMs * 1e6;
    // A tick is recorded by its distance from the one before, resolution included.
    const late = (distanceNs: number) => (ticks.count === 0 ? 0 : Math.max(0, distanceNs - resolution));
    return {
      durationNs,
      cpuCores: share(processNs() - began.processNs),
      mainThreadShare: share(busyNs() - began.busyNs - spunNs),
      mainThreadFrom: threadNs === null ? 'loop' : 'cpu',
      loopDelay: {
        resolution,
        ticks: ticks.count,
        p50: late(ticks.percentile(50)),
        p99: late(ticks.percentile(99)),
        max: late(ticks.max),
      },
      blockedShare: ticks.count === 0 ? 0 : Math.max(0, 1 - resolution / ticks.mean),
    };
  };
}

/** The warning of a result whose client was busy enough to show in it; null where it was not. */
export function clientWarning({ mainThreadShare, loopDelay, blockedShare }: ClientRecord): Warning | null {
  const signs = [
    ...(mainThreadShare > clientLimits.mainThread
      ? [
          `its thread was busy for ${percent(mainThreadShare)} of the time (limit ${percent(clientLimits.mainThread)})`,
        ]
      : []),
    ...(loopDelay.p99 > clientLimits.delayNs
      ? [
          `one tick in 100 of its event loop was ${ms(loopDelay.p99)} ms late (limit ${ms(clientLimits.delayNs)} ms)`,
        ]
      : []),
    ...(blockedShare > clientLimits.blocked
      ? [
          `its event loop was behind for ${percent(blockedShare)} of the time (limit ${percent(clientLimits.blocked)})`,
        ]
      : []),
  ];
  if (signs.length === 0) return null;
  return {
    code: 'client-bottleneck',
    message: `The client was itself a bottleneck, and latencies hold its own delay: ${signs.join(', ')}.`,
    hint: 'Lower the rate or the concurrency, or run the client on a machine with idle cores.',
  };
}

const percent = (share: number): string => `${(share * 100).toFixed(0)}%`;
const ms = (ns: number): string => (ns / 1e6).toFixed(ns < 10e6 ? 1 : 0);
