import { describe, expect, it } from 'vitest';
import { clientRecordSchema } from '../../core/records/arrivals.js';
import { type ClientCounters, clientWarning, watchClient } from './client-health.js';

/** Counters that stand at 0 when a watch begins and at these values when it ends. */
function counters(
  at: { cpu: number; thread: number | null; active: number },
  ticks: { count: number; mean: number; max: number; percentiles: Record<number, number> },
): ClientCounters {
  const reading = (value: number) => {
    let readings = 0;
    return () => (readings++ === 0 ? 0 : value);
  };
  return {
    nowNs: reading(10e9),
    processNs: reading(at.cpu),
    threadNs: at.thread === null ? null : reading(at.thread),
    loopActiveNs: reading(at.active),
    ticks: { ...ticks, percentile: (percent) => ticks.percentiles[percent]!, disable: () => true },
  };
}

const quietTicks = { count: 990, mean: 10.1e6, max: 14e6, percentiles: { 50: 10e6, 99: 11.5e6 } };
const quiet = { cpu: 1.5e9, thread: 1.2e9, active: 1.4e9 };

describe('the load of the client', () => {
  it('is CPU time over time, of its thread without what was spent on waiting', () => {
    const record = watchClient(counters(quiet, quietTicks))(0.7e9);
    expect(record).toMatchObject({ durationNs: 10e9, cpuCores: 0.15, mainThreadFrom: 'cpu' });
    expect(record.mainThreadShare).toBeCloseTo(0.05, 12);
    expect(clientRecordSchema.parse(record)).toEqual(record);
    expect(clientWarning(record)).toBeNull();
  });

  it('is the share in which its event loop ran, where threads cannot be told apart', () => {
    const record = watchClient(counters({ ...quiet, thread: null }, quietTicks))();
    expect(record).toMatchObject({ mainThreadShare: 0.14, mainThreadFrom: 'loop' });
  });

  it('takes the resolution from the distance of ticks', () => {
    const { loopDelay } = watchClient(counters(quiet, quietTicks))();
    expect(loopDelay).toEqual({ resolution: 10e6, ticks: 990, p50: 0, p99: 1.5e6, max: 4e6 });
  });

  it('shows one long block, which is a single tick, as a share of time', () => {
    // 10 s with one block of 5 s: 500 ticks of 10 ms, of which a p99 sees nothing.
    const blocked = { count: 500, mean: 20e6, max: 5010e6, percentiles: { 50: 10e6, 99: 10.2e6 } };
    const record = watchClient(counters(quiet, blocked))();
    expect(record).toMatchObject({ blockedShare: 0.5, loopDelay: { max: 5e9 } });
    expect(clientWarning(record)!.message).toMatch(/behind for 50% of the time/);
  });

  it('is warned of where the thread is busy or its loop late', () => {
    const busy = watchClient(counters({ ...quiet, thread: 8e9 }, quietTicks))();
    expect(clientWarning(busy)).toMatchObject({ code: 'client-bottleneck' });
    expect(clientWarning(busy)!.message).toMatch(/busy for 80%/);
    const late = { ...quietTicks, percentiles: { 50: 10e6, 99: 22e6 } };
    expect(clientWarning(watchClient(counters(quiet, late))())!.message).toMatch(/12 ms late/);
  });

  it('is read of this process', async () => {
    const stop = watchClient();
    const until = performance.now() + 60;
    while (performance.now() < until);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const record = stop();
    expect(clientRecordSchema.parse(record)).toEqual(record);
    expect(record.durationNs).toBeGreaterThan(80e6);
    expect(record.cpuCores).toBeGreaterThan(0);
    expect(record.mainThreadShare).toBeGreaterThan(0);
  });
});
