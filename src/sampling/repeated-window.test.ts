import { describe, expect, it } from 'vitest';
import { createRandom } from '../stats/random.js';
import { counterCurve } from './counter-curve.js';
import { powerCurve } from './power-curve.js';
import { windowOfSpans } from './repeated-window.js';
import { counterReadings, type KnownPower, powerReadings } from './synthetic-power.test-support.js';

const second = 1e9;
const lastS = 12;

/** Cycles of a gap and a span after it, each at its own power, from second 1 on. */
interface Cycles {
  ownS: number;
  gapS: number;
  ownWatts: number;
  gapWatts: number;
}

function powerOf({ ownS, gapS, ownWatts, gapWatts }: Cycles): KnownPower {
  const cycleS = ownS + gapS;
  const intoCycle = (at: number) => at - Math.floor(at / cycleS) * cycleS;
  return {
    watts: (at) => (intoCycle(at) < gapS ? gapWatts : ownWatts),
    joules(at) {
      const within = intoCycle(at);
      const whole = Math.floor(at / cycleS) * (gapS * gapWatts + ownS * ownWatts);
      return whole + Math.min(within, gapS) * gapWatts + Math.max(0, within - gapS) * ownWatts;
    },
  };
}

function spansOf({ ownS, gapS }: Cycles, untilS: number) {
  const cycleS = ownS + gapS;
  const first = Math.ceil(1 / cycleS);
  return Array.from({ length: Math.floor(untilS / cycleS) - first }, (_, index) => ({
    startNs: ((first + index) * cycleS + gapS) * second,
    endNs: (first + index + 1) * cycleS * second,
  }));
}

const counted = (cycles: Cycles, tickS: number, seed = 1) =>
  counterCurve(counterReadings(powerOf(cycles), createRandom(seed), tickS, lastS), tickS * second);

describe('the energy of a request that ran several times', () => {
  it('is its power times its own time, whatever lay between, where the power is constant', () => {
    const cycles = { ownS: 0.05, gapS: 0.2, ownWatts: 80, gapWatts: 80 };
    const spans = spansOf(cycles, 8);
    const figure = windowOfSpans(counted(cycles, 0.005), spans);
    expect(figure.value! / (80 * 0.05 * spans.length)).toBeCloseTo(1, 2);
  });

  it.each([0, 40, 160])(
    'is told from %i W in what was done between, where its ticks are shorter',
    (gapWatts) => {
      const cycles = { ownS: 0.05, gapS: 0.05, ownWatts: 80, gapWatts };
      const spans = spansOf(cycles, 8);
      const figure = windowOfSpans(counted(cycles, 0.004), spans);
      const truth = 80 * 0.05 * spans.length;
      expect(Math.abs(figure.value! / truth - 1)).toBeLessThan(0.05);
    },
  );

  it('is too short where what was done between took a like time, and ticks are longer than both', () => {
    const cycles = { ownS: 0.01, gapS: 0.01, ownWatts: 80, gapWatts: 160 };
    expect(windowOfSpans(counted(cycles, 0.1), spansOf(cycles, 8))).toEqual({
      value: null,
      reason: 'too-short',
    });
  });

  it.each([0, 160])('is not told from %i W in a gap after many of them, if ticks hold both', (gapWatts) => {
    const cycles = { ownS: 0.05, gapS: 0.01, ownWatts: 80, gapWatts };
    const pieces = spansOf(cycles, 8).flatMap(({ startNs, endNs }) => {
      const pieceNs = (endNs - startNs) / 25;
      return Array.from({ length: 25 }, (_, piece) => ({
        startNs: startNs + piece * pieceNs,
        endNs: startNs + (piece + 1) * pieceNs,
      }));
    });
    expect(windowOfSpans(counted(cycles, 0.1), pieces)).toEqual({ value: null, reason: 'too-short' });
  });

  it('is too short by a gauge that averages over more than the request', () => {
    const cycles = { ownS: 0.1, gapS: 0.1, ownWatts: 80, gapWatts: 160 };
    const readings = powerReadings(powerOf(cycles), createRandom(1), 0.01, lastS);
    expect(windowOfSpans(powerCurve(readings, second), spansOf(cycles, 8))).toMatchObject({
      reason: 'too-short',
    });
  });

  it('is lost where the counter has a gap among its runs', () => {
    const readings = counterReadings(
      powerOf({ ownS: 0.1, gapS: 0, ownWatts: 9, gapWatts: 9 }),
      createRandom(1),
      0.01,
      lastS,
    );
    readings.values[Math.floor(readings.values.length / 2)] = Number.NaN;
    const spans = [
      { startNs: second, endNs: 2 * second },
      { startNs: 10 * second, endNs: 11 * second },
    ];
    expect(windowOfSpans(counterCurve(readings, 1e7), spans)).toEqual({ value: null, reason: 'lost' });
  });

  it('is that of its only run where it ran once', () => {
    const curve = counted({ ownS: 0.1, gapS: 0.1, ownWatts: 50, gapWatts: 90 }, 0.01);
    expect(windowOfSpans(curve, [{ startNs: 2e9, endNs: 3e9 }])).toEqual(curve.window(2e9, 3e9));
  });

  it('lies within what is stated as its uncertainty, or is not stated', () => {
    const random = createRandom(7);
    let statedCount = 0;
    for (let trial = 0; trial < 300; trial++) {
      const ownS = 0.005 * 40 ** random.uniform();
      const cycles = {
        ...{ ownS, gapS: ownS * 4 * random.uniform() ** 3, ownWatts: 80 },
        gapWatts: 160 * random.uniform(),
      };
      const tickS = 0.001 * 100 ** random.uniform();
      const spans = spansOf(cycles, 10);
      const figure = windowOfSpans(counted(cycles, tickS, trial), spans);
      if (figure.value === null) continue;
      statedCount++;
      const truth = 80 * ownS * spans.length;
      expect(figure.low, JSON.stringify({ ...cycles, tickS, truth })).toBeLessThanOrEqual(truth);
      expect(figure.high, JSON.stringify({ ...cycles, tickS, truth })).toBeGreaterThanOrEqual(truth);
    }
    expect(statedCount).toBeGreaterThan(100);
  });
});
