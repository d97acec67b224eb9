import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { type CpuClock, cpuClockStep, openCpuClock, requestCpuTime } from './cpu-time.js';

const spinMs = 30;

function spin(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describe('openCpuClock', () => {
  it('asks a Mac by the ids of its own headers, and tells no other thread there', () => {
    const asked: number[] = [];
    const clock = openCpuClock('darwin', () => (id, timespec) => {
      asked.push(id);
      timespec.set([3n, 250n]);
      return 0;
    });
    expect([clock.processNs(), clock.threadNs!()]).toEqual([3e9 + 250, 3e9 + 250]);
    // CLOCK_PROCESS_CPUTIME_ID and CLOCK_THREAD_CPUTIME_ID of Darwin's time.h.
    expect(asked).toEqual([12, 16]);
    expect(clock.otherThreadNs).toBeNull();
    expect(requestCpuTime(clock, [], false)).toMatchObject({ method: clock.method });
    expect(requestCpuTime(clock, null, false)).toMatchObject({ reason: 'unsupported' });
  });

  it('asks Node where there is no such clock, or none that loads', () => {
    for (const clock of [
      openCpuClock('win32'),
      openCpuClock('darwin', () => {
        throw new Error('no such symbol');
      }),
    ])
      expect(clock.method).toMatch(/^process\./);
  });

  it('says its step', () => {
    const ticking = (stepNs: number, callsPerStep: number): CpuClock => {
      let calls = 0;
      const processNs = () => Math.floor(calls++ / callsPerStep) * stepNs;
      return { method: 'made up', processNs, threadNs: null, otherThreadNs: null };
    };
    expect(cpuClockStep(ticking(15_625_000, 7))).toBe(15_625_000);
    expect(cpuClockStep(ticking(15_625_000, 1e9), 1)).toBeNull();
  });

  it('agrees with the process CPU time that Node reports', () => {
    const clock = openCpuClock();
    const before = process.cpuUsage();
    const startNs = clock.processNs();
    spin(spinMs);
    const clockNs = clock.processNs() - startNs;
    const { user, system } = process.cpuUsage(before);
    // The second pair of readings encloses the first.
    expect(clockNs).toBeGreaterThan(0);
    expect(clockNs).toBeLessThanOrEqual((user + system) * 1000 + 1000);
  });

  it.skipIf(process.platform !== 'linux')(
    'charges a thread with its own work and no other thread’s',
    async () => {
      const clock = openCpuClock();
      const worker = new Worker(
        `const { parentPort } = require('node:worker_threads');
       parentPort.once('message', () => {});
       const koffi = require('koffi');
       parentPort.postMessage(koffi.load(null).func('int gettid()')());`,
        { eval: true },
      );
      try {
        const [threadId] = await once(worker, 'message');
        await new Promise((resolve) => setTimeout(resolve, 50));
        const otherBefore = clock.otherThreadNs!(threadId);
        const ownBefore = clock.threadNs!();
        const processBefore = clock.processNs();
        spin(spinMs);
        const processNs = clock.processNs() - processBefore;
        const ownNs = clock.threadNs!() - ownBefore;
        const otherNs = clock.otherThreadNs!(threadId) - otherBefore;
        expect(ownNs).toBeGreaterThan(0);
        // The idle worker waited for a message all the while.
        expect(otherNs).toBeLessThan(ownNs / 10);
        expect(otherBefore).toBeGreaterThan(0);
        expect(ownNs).toBeLessThanOrEqual(processNs * 1.01 + 100_000);
      } finally {
        await worker.terminate();
      }
    },
  );

  it.skipIf(process.platform !== 'linux')('refuses a thread that does not exist', () => {
    expect(() => openCpuClock().otherThreadNs!(2 ** 22 + 1)).toThrow(/cannot be read/);
  });
});

describe('requestCpuTime', () => {
  const clock: CpuClock = {
    method: 'fake',
    processNs: () => 1000,
    threadNs: () => 10,
    otherThreadNs: (id) => id,
  };

  it('reads the calling thread alone where nothing else computes', () => {
    expect(requestCpuTime(clock, [], false)).toMatchObject({ method: 'fake', read: clock.threadNs });
  });

  it('adds the engine’s compute threads', () => {
    const reading = requestCpuTime(clock, [200, 3], false);
    expect('read' in reading && reading.read()).toBe(213);
  });

  it.each([
    ['the engine’s threads are not known', clock, null],
    ['threads cannot be told apart', { ...clock, threadNs: null, otherThreadNs: null }, []],
    ['only the calling thread can be read, but others compute', { ...clock, otherThreadNs: null }, [7]],
  ])('falls back to the whole process when %s, for a request alone only', (_, partial, ids) => {
    const alone = requestCpuTime(partial, ids, true);
    expect('read' in alone && alone.read()).toBe(1000);
    expect(requestCpuTime(partial, ids, false)).toMatchObject({ reason: 'unsupported' });
  });
});
