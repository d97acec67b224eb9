/** For tests and benchmarks: requests that share a device, each with a cost known in closed form. */
import type { Random } from '../stats/random.js';
import type { Series } from './series.js';
import type { CumulativeCurve } from './window.js';

const second = 1e9;

/** A curve that is known without sampling: piecewise linear through its points. */
export function exactCurve(
  points: [second: number, amount: number][],
  gap?: [number, number],
): CumulativeCurve {
  const known = gap
    ? [
        { startNs: points[0]![0] * second, endNs: gap[0] * second },
        { startNs: gap[1] * second, endNs: points.at(-1)![0] * second },
      ]
    : [{ startNs: points[0]![0] * second, endNs: points.at(-1)![0] * second }];
  return {
    method: 'counter',
    averagedOverNs: 0,
    known,
    at(timeNs) {
      if (!known.some(({ startNs, endNs }) => timeNs >= startNs && timeNs <= endNs)) return null;
      const at = timeNs / second;
      const after = points.findIndex(([moment]) => moment > at);
      if (after < 0) return points.at(-1)![1];
      const [[fromS, from], [toS, to]] = [points[after - 1]!, points[after]!];
      return from + ((at - fromS) / (toS - fromS)) * (to - from);
    },
    window: () => ({ value: null, reason: 'not-applicable' }),
  };
}

/** A phase of a request: it computes at `rate` of a core and draws power for it. */
export interface Phase {
  request: number;
  fromS: number;
  toS: number;
  rate: number;
  watts: number;
}

/** Requests one after the other in each of so many slots: a short prefill at full rate, a longer decode. */
export function simulateRequests(random: Random, slots: number): Phase[] {
  const phases: Phase[] = [];
  let request = 0;
  for (let slot = 0; slot < slots; slot++) {
    let atS = 0.2 + 0.3 * random.uniform();
    for (let turn = 0; turn < 4; turn++) {
      // No two requests draw the same power per busy second, which no share can know: 8% more or less.
      const efficiency = 0.92 + 0.16 * random.uniform();
      const lengths: [number, number][] = [
        [0.05 + 0.2 * random.uniform(), 1],
        [0.4 + 2 * random.uniform(), 0.4 + 0.5 * random.uniform()],
      ];
      for (const [lastsS, rate] of lengths) {
        phases.push({ request, fromS: atS, toS: atS + lastsS, rate, watts: 12 * rate * efficiency });
        atS += lastsS;
      }
      request++;
      atS += 0.1 * random.uniform();
    }
  }
  return phases;
}

const restingWatts = 40;

/** What each request truly used: its own power, and the resting power by its part of all the rates. */
export function truthOf(phases: readonly Phase[]): {
  byRequest: number[];
  joules(second: number): number;
  endS: number;
} {
  const edges = [...new Set([0, ...phases.flatMap(({ fromS, toS }) => [fromS, toS])])].sort((a, b) => a - b);
  const endS = edges.at(-1)! + 0.5;
  edges.push(endS);
  const byRequest: number[] = [];
  const points: [number, number][] = [[0, 0]];
  for (const [index, toS] of edges.slice(1).entries()) {
    const fromS = edges[index]!;
    const lastsS = toS - fromS;
    const active = phases.filter((phase) => phase.fromS <= fromS && phase.toS >= toS);
    const rates = active.reduce((sum, { rate }) => sum + rate, 0);
    let watts = restingWatts;
    for (const { request, rate, watts: own } of active) {
      watts += own;
      byRequest[request] = (byRequest[request] ?? 0) + lastsS * (own + (restingWatts * rate) / rates);
    }
    points.push([toS, points.at(-1)![1] + watts * lastsS]);
  }
  const curve = exactCurve(points);
  return { byRequest, joules: (at) => curve.at(at * second)!, endS };
}

/** The true energy as a counter shows it that ticks every 20 ms and is read every 10 ms or so. */
export function readAsCounter(truth: ReturnType<typeof truthOf>, random: Random): Series {
  const series: Series = { timesNs: [], values: [] };
  for (let at = 0; at < truth.endS; at += 0.008 + 0.004 * random.uniform()) {
    series.timesNs.push(at * second);
    series.values.push(truth.joules(Math.floor(at / 0.02) * 0.02));
  }
  return series;
}
