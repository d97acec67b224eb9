import { describe, expect, it } from 'vitest';
import { createRandom } from '../stats/random.js';
import { counterPeriod } from './calibrate.js';

const ms = 1e6;

/** Looks at a counter that ticks every `tickMs`, at the given mean distance with jitter. */
function looks(tickMs: number, everyMs: number, forMs: number) {
  const random = createRandom(7);
  const timesNs: number[] = [];
  for (let at = 0; at < forMs; at += everyMs * (0.5 + random.uniform())) timesNs.push(at * ms);
  return { timesNs, values: timesNs.map((timeNs) => Math.floor(timeNs / ms / tickMs)) };
}

describe('counterPeriod', () => {
  it.each([10, 20, 50, 100])('finds a tick of %d ms by looking every ms', (tickMs) => {
    const { timesNs, values } = looks(tickMs, 1, 1000);
    const found = counterPeriod(timesNs, values)!;
    expect(found.resolved).toBe(true);
    expect(Math.abs(found.periodNs - tickMs * ms)).toBeLessThanOrEqual(1.5 * ms);
  });

  it('gives an upper bound where the counter ticks faster than one can look', () => {
    const { timesNs, values } = looks(0.5, 2, 100);
    const found = counterPeriod(timesNs, values)!;
    expect(found.resolved).toBe(false);
    expect(found.periodNs).toBeGreaterThanOrEqual(0.5 * ms);
  });

  it('does not know what hardly changed', () => {
    expect(counterPeriod([0, 1, 2, 3], [5, 5, 5, 5])).toBeNull();
    expect(counterPeriod([0, 1, 2, 3], [5, 6, 7, 8])).toBeNull();
    expect(counterPeriod([], [])).toBeNull();
  });

  it('takes no gap for a change', () => {
    const { timesNs, values } = looks(20, 1, 400);
    const holed = values.map((value, index) => (index % 5 === 0 ? Number.NaN : value));
    expect(Math.abs(counterPeriod(timesNs, holed)!.periodNs - 20 * ms)).toBeLessThanOrEqual(20 * ms);
    expect(
      counterPeriod([0, 1, 2, 3, 4, 5, 6, 7], [1, Number.NaN, 2, Number.NaN, 3, Number.NaN, 4, 5]),
    ).toBeNull();
  });
});
