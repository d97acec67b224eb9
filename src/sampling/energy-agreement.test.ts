import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildFakeNvml, compiles, type FakeNvml } from '../sensors/nvidia/fake-nvml.test-support.js';
import { nvmlSensor } from '../sensors/nvidia/nvml.js';
import { fakeClock, openOrFail } from '../sensors/sensor-probe.test-support.js';
import { energyAgreement } from './energy-agreement.js';
import { SeriesStore } from './series.js';

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-agreement-'));
afterAll(() => rmSync(directory, { recursive: true }));
const library = join(directory, 'libnvidia-ml.so.1');
const second = 1e9;
const everyNs = 31e6;
const tickNs = 100e6;
const minuteNs = 60 * second;

describe.skipIf(!compiles)('NVML’s energy counter against its power (needs a C compiler)', () => {
  let gpu: FakeNvml;
  beforeAll(() => {
    gpu = buildFakeNvml(library);
    gpu.reset(1, 0);
  });

  /** A minute of a GPU with `joulesAt` and its derivative `wattsAt`, whose counter counts `share` of it. */
  async function agreement(wattsAt: (s: number) => number, joulesAt: (s: number) => number, share = 1) {
    const clock = fakeClock(0);
    gpu.energy(0, 0);
    const sensor = await openOrFail(nvmlSensor('load', library), clock);
    const store = new SeriesStore();
    for (; clock.now() <= minuteNs + second; clock.advance(everyNs)) {
      // The counter ticks every 100 ms, and shows what had been used up to then.
      const tickedS = (Math.floor(clock.now() / tickNs) * tickNs) / second;
      gpu.energy(0, 1e3 * share * joulesAt(tickedS));
      gpu.power(0, 0, Math.round(1e3 * wattsAt(clock.now() / second)));
      sensor.read({
        put: (channel, value, atNs = clock.now()) => store.add([{ channel, value, timeNs: atNs }]),
        lose: (_channel, why) => expect.fail(why),
      });
    }
    const channels = sensor.channels.map((channel, index) => ({
      channel: { ...channel, ...(channel.quantity === 'energy' && { counterPeriodNs: tickNs }) },
      series: store.of(index),
    }));
    sensor.close();
    return energyAgreement(channels, 'gpu-0', 0, minuteNs)!;
  }

  // 200 W with a swing of 100 W every 7 s: the integral is in closed form.
  const omega = (2 * Math.PI) / 7;
  const wattsAt = (s: number) => 200 + 100 * Math.sin(omega * s);
  const joulesAt = (s: number) => 200 * s + (100 / omega) * (1 - Math.cos(omega * s));

  it('agrees within its ticks where both tell the truth', async () => {
    const { ratio, low, high, counterJoules, powerJoules } = await agreement(wattsAt, joulesAt);
    // A tick of 100 ms at 300 W at most is 30 J of some 12,000.
    expect(Math.abs(counterJoules - joulesAt(60))).toBeLessThan(30);
    expect(Math.abs(powerJoules / joulesAt(60) - 1)).toBeLessThan(1e-3);
    expect(Math.abs(ratio - 1)).toBeLessThan(0.005);
    expect(low).toBeLessThan(1);
    expect(high).toBeGreaterThan(1);
  });

  it('shows a counter that misses a tenth', async () => {
    const { ratio, high } = await agreement(wattsAt, joulesAt, 0.9);
    expect(Math.abs(ratio - 0.9)).toBeLessThan(0.005);
    expect(high).toBeLessThan(1);
  });

  it('is not known of a GPU without either, or of a window that was not sampled', async () => {
    const gauge = {
      channel: { device: 'gpu-0', quantity: 'power', unit: 'W', kind: 'gauge' } as const,
      series: { timesNs: [0, second], values: [100, 100] },
    };
    const counter = {
      channel: { device: 'gpu-0', quantity: 'energy', unit: 'J', kind: 'counter' } as const,
      series: { timesNs: [0, second / 2, second], values: [0, 50, 100] },
    };
    expect(energyAgreement([gauge], 'gpu-0', 0, second)).toBeNull();
    expect(energyAgreement([counter], 'gpu-0', 0, second)).toBeNull();
    expect(energyAgreement([gauge, counter], 'gpu-1', 0, second)).toBeNull();
    expect(energyAgreement([gauge, counter], 'gpu-0', 0, 2 * second)).toBeNull();
    expect(energyAgreement([gauge, counter], 'gpu-0', 0, second)).toMatchObject({ ratio: 1 });
  });
});
