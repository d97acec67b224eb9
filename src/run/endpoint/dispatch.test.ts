import { describe, expect, it } from 'vitest';
import { arrivalTimes } from '../../workload/arrivals/arrival-times.js';
import { arrivalsRecord, arrivalsWarning, unsentOutcome } from './arrivals-report.js';
import { closedLoop, type OpenLoopOptions, openLoop, type SendTimes } from './dispatch.js';
import { SimulatedClock } from './simulated-clock.test-support.js';

const process = { kind: 'constant', rate: 100 } as const;
const everyTenMs = (count: number) => arrivalTimes(process, count, { seed: 1 });

/** Runs an open loop in simulated time, against a server that answers after `answerNs`. */
async function run(
  offsetsNs: Float64Array,
  {
    clock = new SimulatedClock({ timerErrorMs: 1 }),
    answerNs = 1e6,
    ...options
  }: Partial<OpenLoopOptions> & { clock?: SimulatedClock; answerNs?: number } = {},
) {
  const sent: (SendTimes & { index: number })[] = [];
  const unsent: { index: number; reason: string }[] = [];
  const tally = await openLoop(offsetsNs, {
    send: (index, times) => {
      sent.push({ index, ...times });
      return clock.after(answerNs);
    },
    onUnsent: (index, reason) => unsent.push({ index, reason }),
    startNs: 0,
    clock,
    ...options,
  });
  return { sent, unsent, tally, record: arrivalsRecord(process, tally) };
}

describe('an open loop', () => {
  it('sends each request at its time, however timers err, and hands no lateness on', async () => {
    const { sent, record } = await run(everyTenMs(150));
    expect(sent.map(({ index }) => index)).toEqual(Array.from({ length: 150 }, (_, index) => index));
    for (const { index, scheduledNs, sentNs } of sent) {
      expect(scheduledNs).toBe(index * 10e6);
      // Never early, and never later than a turn of the loop.
      expect(sentNs).toBeGreaterThanOrEqual(scheduledNs);
      expect(sentNs - scheduledNs).toBeLessThanOrEqual(50e3);
    }
    expect(record).toMatchObject({ scheduled: 150, sent: 150, usable: true, reason: null });
    expect(record.offeredRate).toBeCloseTo(100, 9);
    expect(record.achievedRate! / 100).toBeCloseTo(1, 3);
  });

  it('spins for no more than its share of the time, and is as precise as a timer beyond that', async () => {
    const offsets = arrivalTimes({ kind: 'constant', rate: 800 }, 800, { seed: 1 });
    const { record } = await run(offsets);
    expect(record.spinShare).toBeLessThan(0.35);
    expect(record.lag!.max).toBeLessThan(2.1e6);
  });

  it('does not wait for answers', async () => {
    const { record, sent } = await run(everyTenMs(50), { answerNs: 3600e9 });
    expect(record).toMatchObject({ sent: 50, mostInFlight: 50 });
    expect(sent.at(-1)!.sentNs).toBeLessThan(0.5e9);
  });

  it('sends what is a little late at once, in its order, with its lag', async () => {
    const clock = new SimulatedClock();
    clock.block(95e6, 42e6);
    const { sent, unsent, record } = await run(everyTenMs(100), { clock });
    expect(unsent).toEqual([]);
    expect(sent.slice(10, 14).map(({ sentNs }) => sentNs)).toEqual([137e6, 137e6, 137e6, 137e6]);
    expect(sent[14]!.sentNs).toBeLessThan(140.1e6);
    expect(record.lag!.max).toBe(37e6);
  });

  it('leaves out what is too late, and goes on at the next time', async () => {
    const clock = new SimulatedClock();
    // As a suspended machine, on a clock that goes on meanwhile.
    clock.block(95e6, 3600e9);
    const offsets = Float64Array.from(
      { length: 20 },
      (_, index) => index * 10e6 + (index >= 15 ? 3600e9 : 0),
    );
    const { sent, unsent, record } = await run(offsets, { clock });
    // Those of 100 to 140 ms; the next are due 55 ms after the machine has woken.
    expect(unsent).toEqual([10, 11, 12, 13, 14].map((index) => ({ index, reason: 'late' })));
    expect(sent).toHaveLength(15);
    expect(record.unsent).toEqual({ late: 5, inFlight: 0, stopped: 0 });
    expect(record.usable).toBe(false);
    expect(record.reason).toMatch(/5 of 20 requests were not sent, 5 as they were more than 100 ms late/);
  });

  it('sends all of it where it is asked to catch up', async () => {
    const clock = new SimulatedClock();
    clock.block(95e6, 2e9);
    const { sent, unsent, record } = await run(everyTenMs(100), { clock, catchUp: 'send' });
    expect(unsent).toEqual([]);
    expect(sent.map(({ index }) => index)).toEqual(Array.from({ length: 100 }, (_, index) => index));
    expect(record).toMatchObject({ sent: 100, usable: false, catchUp: 'send' });
    // The burst lets answers in between.
    expect(sent.at(-1)!.sentNs).toBeGreaterThan(2095e6);
    // From the first time to the last sending: 99 gaps in 2.095 s.
    expect(record.achievedRate!).toBeCloseTo(99 / 2.0955, 1);
    expect(arrivalsWarning(record)).toMatchObject({ code: 'arrivals-missed' });
  });

  it('counts what finds too many in flight as unsent, and never sends it later', async () => {
    const { sent, unsent, record } = await run(everyTenMs(40), { answerNs: 95e6, maxInFlight: 4 });
    // Four are sent; the first is answered after 95 ms, so that of each ten the first four go.
    expect(sent.map(({ index }) => index % 10)).toEqual(Array.from({ length: 16 }, (_, place) => place % 4));
    expect(unsent.every(({ reason }) => reason === 'inFlight')).toBe(true);
    expect(unsentOutcome('inFlight')).toMatchObject({ status: 'failed', code: 'request-unsent' });
    expect(record).toMatchObject({ sent: 16, mostInFlight: 4, usable: false });
    expect(record.achievedRate!).toBeCloseTo(15 / 0.39, 3);
    expect(record.reason).toMatch(/24 as 4 others were unanswered/);
    expect(arrivalsWarning(record)!.hint).toMatch(/--max-in-flight/);
  });

  it('stops when it is told to, and waits for what is in flight', async () => {
    const clock = new SimulatedClock();
    const controller = new AbortController();
    clock.at(55e6, () => controller.abort());
    const { sent, unsent, record } = await run(everyTenMs(100), {
      clock,
      answerNs: 1e9,
      signal: controller.signal,
    });
    expect(sent).toHaveLength(6);
    expect(unsent).toEqual([]);
    expect(record.unsent).toEqual({ late: 0, inFlight: 0, stopped: 94 });
    expect(clock.now()).toBeGreaterThanOrEqual(1050e6);
  });

  it('stops and throws when sending throws', async () => {
    let sent = 0;
    const failing = openLoop(everyTenMs(100), {
      send: async () => {
        if (++sent === 3) throw new Error('no request is to be built of it');
      },
      clock: new SimulatedClock(),
    });
    await expect(failing).rejects.toThrow(/no request is to be built/);
    expect(sent).toBeLessThan(5);
  });

  it('has nothing to say of no requests, and no rate of one', async () => {
    expect((await run(new Float64Array(0))).record).toMatchObject({
      ...{ sent: 0, lag: null, offeredRate: null, achievedRate: null, usable: true },
    });
    expect((await run(new Float64Array(1))).record).toMatchObject({ sent: 1, offeredRate: null });
  });

  it('is not usable where one in 100 is later than half the mean gap, or 50 ms', async () => {
    const clock = new SimulatedClock();
    for (let at = 0; at < 100; at += 10) clock.block(at * 10e6 - 1e6, 8e6);
    const late = await run(everyTenMs(100), { clock });
    expect(late.record.reason).toMatch(/sent 7\.0 ms late or later, where 5\.0 ms is the limit/);
    const slow = new SimulatedClock();
    for (let at = 0; at < 10; at++) slow.block(at * 100e9 - 1e6, 61e6);
    const offsets = Float64Array.from({ length: 10 }, (_, index) => index * 100e9);
    expect((await run(offsets, { clock: slow })).record.reason).toMatch(/sent 60 ms late .* 50 ms is/);
  });
});

describe('a closed loop', () => {
  it('keeps as many in flight as it is told, and has no schedule', async () => {
    const clock = new SimulatedClock();
    const sent: number[] = [];
    const tally = await closedLoop(40, {
      concurrency: 4,
      clock,
      send: (index) => {
        sent.push(index);
        return clock.after(10e6);
      },
    });
    expect(sent).toEqual(Array.from({ length: 40 }, (_, index) => index));
    // Ten rounds of 10 ms: the last four are sent after 90 ms.
    expect(arrivalsRecord({ kind: 'closed', concurrency: 4 }, tally)).toMatchObject({
      ...{ sent: 40, mostInFlight: 4, lag: null, offeredRate: null, usable: true },
      achievedRate: expect.closeTo(39 / 0.09, 6),
    });
  });

  it('stops when it is told to, or when sending throws', async () => {
    const clock = new SimulatedClock();
    const controller = new AbortController();
    clock.at(35e6, () => controller.abort());
    const send = () => clock.after(10e6);
    const stopped = await closedLoop(100, { concurrency: 2, clock, send, signal: controller.signal });
    expect(stopped).toMatchObject({ sent: 8, unsent: { stopped: 92 } });
    const failing = closedLoop(100, { concurrency: 2, clock, send: () => Promise.reject(new Error('no')) });
    await expect(failing).rejects.toThrow('no');
  });
});
