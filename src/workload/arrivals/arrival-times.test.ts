import { describe, expect, it } from 'vitest';
import type { ArrivalProcess } from '../../core/records/arrivals.js';
import { arrivalTimes } from './arrival-times.js';

type OpenLoop = Exclude<ArrivalProcess, { kind: 'closed' }>;
const count = 40_000;
const drawn: OpenLoop[] = [
  { kind: 'poisson', rate: 5 },
  { kind: 'gamma', rate: 5, variation: 2 },
  { kind: 'ramp', from: 1, to: 9 },
];

const gapsOf = (times: Float64Array) => times.map((time, index) => time - (times[index - 1] ?? 0));

describe('arrival times', () => {
  it('are every 1 ÷ rate where the rate is constant', () => {
    expect([...arrivalTimes({ kind: 'constant', rate: 8 }, 4, { seed: 1 })]).toEqual([
      0, 125e6, 250e6, 375e6,
    ]);
    // The last of a million is where it belongs: rounding does not add up.
    expect(arrivalTimes({ kind: 'constant', rate: 3 }, 1_000_000, { seed: 1 }).at(-1)).toBe(
      333_333_000_000_000,
    );
  });

  it.each(drawn)('of $kind are the same for the same seed, and fewer are the first of more', (process) => {
    const all = arrivalTimes(process, 500, { seed: 3, rampRequests: 500 });
    for (const fewer of [1, 77, 500])
      expect(arrivalTimes(process, fewer, { seed: 3, rampRequests: 500 })).toEqual(all.slice(0, fewer));
    expect(arrivalTimes(process, 500, { seed: 4, rampRequests: 500 })).not.toEqual(all);
    expect(all.every((time, index) => Number.isInteger(time) && time >= (all[index - 1] ?? 0))).toBe(true);
  });

  it.each([0.25, 1, 2, 4])('have gaps of mean 1 ÷ rate and coefficient of variation %d', (variation) => {
    const gaps = gapsOf(arrivalTimes({ kind: 'gamma', rate: 20, variation }, count, { seed: 11 }));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / count;
    const squares = gaps.reduce((sum, gap) => sum + (gap - 50e6) ** 2, 0) / count;
    // Four standard errors: CV ÷ √n of the mean; √(2 + 6 CV²) ÷ √n of the variance, as the kurtosis is 3 + 6 CV².
    expect(Math.abs(mean / 50e6 - 1)).toBeLessThan((4 * variation) / Math.sqrt(count));
    expect(Math.abs(squares / (variation * 50e6) ** 2 - 1)).toBeLessThan(
      4 * Math.sqrt((2 + 6 * variation ** 2) / count),
    );
  });

  it('of poisson have exponential gaps', () => {
    const gaps = gapsOf(arrivalTimes({ kind: 'poisson', rate: 5 }, count, { seed: 2 })).sort();
    const distance = gaps.reduce(
      (largest, gap, index) =>
        Math.max(largest, Math.abs(1 - Math.exp(-gap / 200e6) - (index + 0.5) / count)),
      0,
    );
    // Kolmogorov–Smirnov at 1 in 1,000, and half a step for the middle of each.
    expect(distance).toBeLessThan(Math.sqrt(-Math.log(0.0005) / 2 / count) + 0.5 / count);
  });

  it.each([
    [1, 9],
    [9, 1],
  ])('of a ramp from %d to %d grow as its integral says', (from, to) => {
    const times = arrivalTimes({ kind: 'ramp', from, to }, count, { seed: 6 });
    const seconds = (2 * count) / (from + to);
    for (const share of [0.25, 0.5, 0.75]) {
      const expected = (from * share + ((to - from) * share ** 2) / 2) * seconds;
      const arrived = times.findIndex((time) => time > share * seconds * 1e9);
      // Poisson: four standard deviations.
      expect(Math.abs(arrived - expected)).toBeLessThan(4 * Math.sqrt(expected));
    }
  });

  it('of a ramp stay at its last rate', () => {
    const times = arrivalTimes({ kind: 'ramp', from: 1, to: 10 }, 20_000, { seed: 6, rampRequests: 1000 });
    const rate = 18_000 / ((times[19_999]! - times[1999]!) / 1e9);
    expect(Math.abs(rate / 10 - 1)).toBeLessThan(4 / Math.sqrt(18_000));
  });

  it('of a trace are its own from the first, at the speed', () => {
    const recordedNs = [7e9, 8e9, 8e9, 12e9];
    const process: OpenLoop = { kind: 'trace', speed: 2 };
    expect([...arrivalTimes(process, 4, { seed: 1, recordedNs })]).toEqual([0, 0.5e9, 0.5e9, 2.5e9]);
  });

  it.each([
    ['too few', [1, 2]],
    ['out of order', [1, 3, 2]],
    ['no numbers', [1, Number.NaN, 2]],
  ])('of a trace are refused where they are %s', (_, recordedNs) => {
    expect(() => arrivalTimes({ kind: 'trace', speed: 1 }, 3, { seed: 1, recordedNs })).toThrow(
      expect.objectContaining({ code: 'bad-trace' }),
    );
  });
});
