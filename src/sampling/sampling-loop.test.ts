import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { OpenSensor, SampleSink } from '../sensors/sensor.js';
import { fakeClock } from '../sensors/sensor-probe.test-support.js';
import { formatSession } from '../sensors/session.test-support.js';
import { calibrate } from './calibrate.js';
import { type OpenedSensor, openSensors } from './opened-sensor.js';
import { ringMemory, SampleRing } from './ring.js';
import { SamplingLoop } from './sampling-loop.js';

interface Fake {
  read: (sink: SampleSink, turn: number) => void;
  channels?: number;
  periodNs?: number;
}

function opened({ read, channels = 1, periodNs = 2e6 }: Fake): OpenedSensor & { closed: number } {
  let turn = 0;
  const fake = { closed: 0 };
  const listed = Array.from({ length: channels }, (_, index) => ({
    quantity: `q${index}`,
    device: 'fake',
    unit: 'J' as const,
    kind: 'counter' as const,
  }));
  const sensor: OpenSensor = {
    channels: listed,
    missing: [],
    periodNs,
    arrives: false,
    read: (sink) => read(sink, turn++),
    close: () => {
      fake.closed++;
    },
  };
  const record = {
    name: 'fake',
    reads: '',
    available: true,
    reason: null,
    hint: null,
    missing: [],
    periodNs,
    channels: listed.map((channel, id) => ({ ...channel, id, counterPeriodNs: null, periodResolved: false })),
  };
  return Object.assign(fake, { record, sensor });
}

/** Turns the loop on a clock of its own for so long, then closes it. */
function run(sensor: OpenedSensor, ms: number, capacity = 4096) {
  const ring = new SampleRing(ringMemory(capacity));
  const clock = fakeClock(0);
  const loop = new SamplingLoop([sensor], ring, clock);
  for (let dueNs = loop.turn(); dueNs < ms * 1e6; dueNs = loop.turn()) clock.advance(dueNs - clock.now());
  loop.close();
  return { activity: loop.activities[0]!, samples: ring.drain(), ring };
}

describe('SamplingLoop', () => {
  it('counts every value, and closes the sensor once', () => {
    const sensor = opened({ read: (sink, turn) => sink.put(0, turn) });
    const { activity, samples } = run(sensor, 40);
    expect(samples.map(({ value }) => value)).toEqual(samples.map((_, index) => index));
    expect(activity).toMatchObject({ samples: samples.length, dropped: 0, gaps: 0, lost: [] });
    expect(samples.every(({ timeNs }, index) => index === 0 || timeNs >= samples[index - 1]!.timeNs)).toBe(
      true,
    );
    expect(sensor.closed).toBe(1);
  });

  it('ends a sensor that fails, marks the gap and says why', () => {
    const sensor = opened({
      channels: 2,
      read(sink, turn) {
        if (turn === 3) throw new Error('fell off');
        sink.put(0, turn);
        sink.put(1, turn);
      },
    });
    const { activity, samples } = run(sensor, 40);
    expect(activity.lost).toMatchObject([
      { channel: 0, why: 'fell off' },
      { channel: 1, why: 'fell off' },
    ]);
    expect(samples.filter(({ channel }) => channel === 0).map(({ value }) => value)).toEqual([
      0,
      1,
      2,
      Number.NaN,
    ]);
    expect(sensor.closed).toBe(1);
  });

  it('marks a gap once however long it lasts, and takes the infinite for unknown', () => {
    const values = [1, Number.NaN, Number.NaN, Number.POSITIVE_INFINITY, 2];
    const sensor = opened({
      read: (sink, turn) => {
        if (turn < values.length) sink.put(0, values[turn]!);
      },
    });
    const { activity, samples } = run(sensor, 60);
    expect(samples.map(({ value }) => value)).toEqual([1, Number.NaN, 2]);
    expect(activity).toMatchObject({ samples: 2, gaps: 1 });
  });

  it('counts what finds no room', () => {
    const sensor = opened({
      read: (sink) => {
        for (let count = 0; count < 10; count++) sink.put(0, 1);
      },
    });
    const { activity, samples, ring } = run(sensor, 30, 4);
    expect(samples).toHaveLength(4);
    expect(activity.samples - activity.dropped).toBe(4);
    expect(ring.dropped).toBe(activity.dropped);
  });

  it('counts the readings that a busy thread made it miss', () => {
    const clock = fakeClock(0);
    const loop = new SamplingLoop(
      [opened({ read: (sink, turn) => sink.put(0, turn) })],
      new SampleRing(ringMemory(4096)),
      clock,
    );
    expect(loop.turn()).toBe(2e6);
    clock.advance(41e6);
    // Of the twenty readings due since, one is made up for; the next is due on the old beat.
    expect(loop.turn()).toBe(42e6);
    expect(loop.activities[0]).toMatchObject({ samples: 2, missed: 19 });
  });

  it('has nothing due once every sensor has ended', () => {
    const loop = new SamplingLoop(
      [
        opened({
          read: () => {
            throw new Error('gone');
          },
        }),
      ],
      new SampleRing(ringMemory(16)),
      fakeClock(0),
    );
    expect(loop.turn()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('calibrate', () => {
  /** Every look at the time moves it on by so much. */
  function walkingClock(stepNs: number) {
    const clock = fakeClock(0);
    return {
      now() {
        clock.advance(stepNs);
        return clock.now();
      },
    };
  }

  it.each([
    ['a slow counter is read a few times a tick', 100e6, 25e6, 38.2e6, 0.5e6, 1e9],
    ['a quick one as often as the sensor allows', 1e6, 25e6, 25e6, 0.05e6, 0.05e9],
  ])('%s', async (_, tickNs, cheapNs, expectedNs, stepNs, forNs) => {
    const clock = walkingClock(stepNs);
    const sensor = opened({
      periodNs: cheapNs,
      read: (sink) => sink.put(0, Math.floor(clock.now() / tickNs)),
    });
    await calibrate([sensor], clock, forNs);
    const [channel] = sensor.record.channels;
    expect(channel!.periodResolved).toBe(true);
    expect(Math.abs(channel!.counterPeriodNs! / tickNs - 1)).toBeLessThan(0.15);
    expect(Math.abs(sensor.record.periodNs! / expectedNs - 1)).toBeLessThan(0.15);
  });

  it('leaves alone a sensor that fails at once or never moves', async () => {
    const fails = opened({
      read: () => {
        throw new Error('no');
      },
    });
    const still = opened({ read: (sink) => sink.put(0, 5) });
    await calibrate([fails, still], walkingClock(0.5e6), 0.1e9);
    for (const { record } of [fails, still]) {
      expect(record.periodNs).toBe(2e6);
      expect(record.channels[0]!.counterPeriodNs).toBeNull();
    }
  });
});

describe('openSensors', () => {
  it('numbers channels over all sensors, and leaves out a stand-in that is not needed', async () => {
    const { opened: open, records } = await openSensors(
      [
        { sensor: 'process' },
        { sensor: 'rapl', root: '/nonexistent' },
        { sensor: 'nvidia-smi', insteadOf: 'process' },
        { sensor: 'process' },
      ],
      fakeClock(),
    );
    expect(open).toHaveLength(2);
    const ids = records.flatMap(({ channels }) => channels.map(({ id }) => id));
    expect(ids).toEqual(ids.map((_, index) => index));
    expect(records.map(({ available, reason }) => [available, reason])).toEqual([
      [true, null],
      [false, 'unsupported'],
      [false, 'not-applicable'],
      [true, null],
    ]);
    for (const { sensor } of open) sensor.close();
  });

  it('takes GPUs once that it reads itself and an exporter of this machine shows as well', async () => {
    const text =
      'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0",Hostname="here"} 5\nllamacpp:tokens_predicted_total 7\n';
    const shown = createServer((_, response) => response.end(text)).listen(0, '127.0.0.1');
    await once(shown, 'listening');
    onTestFinished(() => void shown.close());
    const folder = mkdtempSync(join(tmpdir(), 'tokenwork-gpus-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'session.jsonl');
    const energy = { quantity: 'energy', device: 'gpu-0', unit: 'J', kind: 'counter' } as const;
    writeFileSync(path, formatSession({ machine: 'here', channels: [energy], samples: [] }));
    const url = `http://127.0.0.1:${(shown.address() as AddressInfo).port}/metrics`;
    const devicesBy = async (onThisMachine: boolean) => {
      const { opened: open, records } = await openSensors(
        [
          { sensor: 'recorded', path },
          { sensor: 'server-metrics', url, onThisMachine },
        ],
        fakeClock(),
      );
      for (const { sensor } of open) sensor.close();
      const scraped = records.find(({ name }) => name === 'server-metrics')!;
      return [...new Set(scraped.channels.map(({ device }) => device))].sort();
    };
    expect(await devicesBy(true)).toEqual(['server-0']);
    expect(await devicesBy(false)).toEqual(['gpu-0@here', 'server-0']);
  });
});
