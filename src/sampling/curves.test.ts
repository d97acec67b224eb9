import { describe, expect, it } from 'vitest';
import type { Channel } from '../sensors/sensor.js';
import { createRandom, type Random } from '../stats/random.js';
import { idleBaseline } from './attribution/baseline.js';
import { counterCurve } from './counter-curve.js';
import { energyCurve } from './energy-curve.js';
import { powerCurve } from './power-curve.js';
import { countUpTo, pieces, SeriesStore } from './series.js';
import {
  counterReadings,
  type KnownPower,
  lastS,
  powerReadings,
  smooth,
  steps,
  swings,
  windows,
} from './synthetic-power.test-support.js';
import { type CumulativeCurve, repetitionsFor } from './window.js';

const periodsMs = [10, 20, 50, 100];

const kinds: [string, (power: KnownPower, random: Random, periodS: number) => CumulativeCurve][] = [
  [
    'counter',
    (power, random, periodS) => counterCurve(counterReadings(power, random, periodS, lastS), periodS * 1e9),
  ],
  ['power gauge', (power, random, periodS) => powerCurve(powerReadings(power, random, periodS, lastS), 0)],
];

function expectCovers({ low, high }: { low: number; high: number }, truth: number): void {
  const rounding = 1e-9 * truth;
  expect(low - rounding).toBeLessThanOrEqual(truth);
  expect(high + rounding).toBeGreaterThanOrEqual(truth);
}

describe.each(kinds)('energy by a %s with a known integral', (kind, build) => {
  it.each(periodsMs)('read every %d ms is right within a hundredth from ten periods on', (periodMs) => {
    const random = createRandom(periodMs);
    const curve = build(smooth, random, periodMs / 1e3);
    let judged = 0;
    for (const { startS, endS, lengthS } of windows(random, 400)) {
      const truth = smooth.joules(endS) - smooth.joules(startS);
      const figure = curve.window(startS * 1e9, endS * 1e9);
      if (figure.value === null) {
        expect(kind).toBe('counter');
        expect(figure.reason).toBe('too-short');
        expect(lengthS).toBeLessThan((2 * periodMs) / 1e3);
        continue;
      }
      expectCovers(figure, truth);
      if (lengthS * 1e3 < 10 * periodMs) continue;
      judged++;
      expect(Math.abs(figure.value - truth) / truth).toBeLessThanOrEqual(0.01);
    }
    expect(judged).toBeGreaterThan(100);
  });

  it.each(periodsMs)('read every %d ms states an uncertainty that covers sudden steps', (periodMs) => {
    const random = createRandom(1000 + periodMs);
    const power = steps(random, lastS, (1.2 * periodMs) / 1e3);
    const curve = build(power, random, periodMs / 1e3);
    let judged = 0;
    for (const { startS, endS } of windows(random, 400)) {
      const truth = power.joules(endS) - power.joules(startS);
      const figure = curve.window(startS * 1e9, endS * 1e9);
      if (figure.value === null) continue;
      judged++;
      expectCovers(figure, truth);
    }
    expect(judged).toBeGreaterThan(200);
  });

  it('adds up: the parts of a window make the whole', () => {
    const random = createRandom(3);
    const curve = build(smooth, random, 0.02);
    const cuts = Array.from({ length: 50 }, (_, index) => (2 + index * 0.17) * 1e9);
    const parts = cuts.slice(1).map((cut, index) => curve.at(cut)! - curve.at(cuts[index]!)!);
    const whole = curve.window(cuts[0]!, cuts.at(-1)!);
    expect(parts.every((part) => part >= 0)).toBe(true);
    expect(parts.reduce((sum, part) => sum + part, 0)).toBeCloseTo(whole.value!, 6);
  });

  it('knows nothing outside its samples, and nothing across a gap', () => {
    const random = createRandom(4);
    const power = swings(100, []);
    const read = kind === 'counter' ? counterReadings : powerReadings;
    const series = read(power, random, 0.02, 10);
    const hole = series.timesNs.findIndex((timeNs) => timeNs > 5e9);
    series.values[hole] = Number.NaN;
    const curve = kind === 'counter' ? counterCurve(series, 2e7) : powerCurve(series, 0);
    expect(curve.known).toHaveLength(2);
    expect(curve.at(11e9)).toBeNull();
    expect(curve.at(series.timesNs[hole]!)).toBeNull();
    for (const [from, to] of [
      [4, 6],
      [9, 11],
      [-1, 2],
    ]) {
      expect(curve.window(from! * 1e9, to! * 1e9)).toEqual({ value: null, reason: 'lost' });
    }
    expect(curve.window(6e9, 8e9).value).toBeCloseTo(200, 0);
    expect(() => curve.window(2e9, 2e9)).toThrow(RangeError);
  });
});

describe('counterCurve', () => {
  it('is too short where the counter did not move, never 0 J', () => {
    const series = { timesNs: [0, 10, 20, 30, 40, 50], values: [0, 0, 5, 5, 5, 9] };
    const curve = counterCurve(series, null);
    expect(curve.window(21, 45)).toEqual({ value: null, reason: 'too-short' });
    expect(curve.window(11, 45)).toMatchObject({ readings: 1, low: 0, high: 14 });
  });

  it('has nothing to say of a channel that was never read', () => {
    const curve = counterCurve({ timesNs: [], values: [] }, null);
    expect(curve.known).toEqual([]);
    expect(curve.window(0, 1)).toEqual({ value: null, reason: 'lost' });
  });
});

describe('powerCurve', () => {
  it('covers what an averaging gauge puts on the wrong side of a window’s edge', () => {
    const random = createRandom(9);
    const power = steps(random, lastS, 0.4);
    const averagedS = 0.5;
    const average = {
      watts: (second: number) =>
        (power.joules(second) - power.joules(Math.max(0, second - averagedS))) /
        Math.min(averagedS, second || 1),
      joules: power.joules,
    };
    const curve = powerCurve(powerReadings(average, random, 0.02, lastS), averagedS * 1e9);
    for (const { startS, endS } of windows(random, 200)) {
      const truth = power.joules(endS) - power.joules(startS);
      const figure = curve.window(startS * 1e9, endS * 1e9);
      if (figure.value === null) continue;
      expectCovers(figure, truth);
    }
  });

  it('integrates a straight line exactly', () => {
    const curve = powerCurve({ timesNs: [0, 1e9, 4e9], values: [0, 10, 40] }, 0);
    expect(curve.window(0.5e9, 3e9).value).toBeCloseTo((10 * (9 - 0.25)) / 2, 9);
  });
});

describe('energyCurve', () => {
  const series = { timesNs: [0, 1e9, 2e9], values: [0, 5, 10] };
  const channel = (quantity: string, device: string): { channel: Channel; series: typeof series } => ({
    channel: { quantity, device, unit: quantity === 'power' ? 'W' : 'J', kind: 'gauge' },
    series,
  });

  it('takes the counter before the power, and power only where there is no counter', () => {
    const both = [channel('power', 'gpu-0'), channel('energy', 'gpu-0'), channel('power', 'gpu-1')];
    expect(energyCurve(both, 'gpu-0')?.method).toBe('counter');
    expect(energyCurve(both, 'gpu-1')?.method).toBe('power-integral');
    expect(energyCurve(both, 'gpu-2')).toBeNull();
  });
});

describe('idleBaseline', () => {
  it('gives the resting power before and after, and its drift', () => {
    const timesNs = Array.from({ length: 101 }, (_, index) => index * 1e8);
    const values = timesNs.map((timeNs) => (timeNs < 5e9 ? 50 : 60));
    const curve = powerCurve({ timesNs, values }, 0);
    const span = (from: number, to: number) => ({ startNs: from * 1e9, endNs: to * 1e9 });
    const baseline = idleBaseline(curve, span(0, 2), span(8, 10));
    expect(baseline.before).toBeCloseTo(50, 9);
    expect(baseline.after).toBeCloseTo(60, 9);
    expect(baseline.mean).toBeCloseTo(55, 9);
    expect(baseline.drift).toBeCloseTo(10 / 55, 9);
    expect(idleBaseline(curve, span(0, 2), span(20, 21))).toMatchObject({ after: null, drift: null });
    expect(idleBaseline(curve, span(30, 31), span(20, 21)).mean).toBeNull();
  });
});

describe('series', () => {
  it('sorts samples by channel and cuts them at gaps', () => {
    const store = new SeriesStore();
    const put = (timeNs: number, channel: number, value: number) => store.add([{ timeNs, channel, value }]);
    put(1, 0, 1);
    put(1, 1, 9);
    put(2, 0, Number.NaN);
    put(3, 0, 3);
    put(2, 0, 4); // Late, as from a clock set back.
    expect(pieces(store.of(0))).toEqual([
      { timesNs: [1], values: [1] },
      { timesNs: [3], values: [3] },
    ]);
    expect(store.of(1).values).toEqual([9]);
    expect(store.of(7).values).toEqual([]);
  });

  it('counts entries up to a limit', () => {
    expect([0, 1, 1.5, 3, 4].map((limit) => countUpTo([1, 1, 3], limit))).toEqual([0, 2, 2, 3, 3]);
  });
});

describe('repetitionsFor', () => {
  it('fills ten ticks of the counter', () => {
    expect(repetitionsFor(50e6, 100e6)).toBe(20);
    expect(repetitionsFor(30e6, 1e6)).toBe(1);
  });
});
