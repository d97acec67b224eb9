/** For tests: a device whose power over time and energy are known in closed form, and how it is seen. */
import type { Random } from '../stats/random.js';
import { looksPerTick } from './calibrate.js';
import type { Series } from './series.js';

export interface KnownPower {
  watts(second: number): number;
  /** Joules from time 0. */
  joules(second: number): number;
}

/** Slow and quick swings about a mean, as of a server under changing load. */
export function swings(mean: number, parts: { watts: number; periodS: number; phase: number }[]): KnownPower {
  const omega = (periodS: number) => (2 * Math.PI) / periodS;
  return {
    watts: (second) =>
      parts.reduce(
        (sum, { watts, periodS, phase }) => sum + watts * Math.sin(omega(periodS) * second + phase),
        mean,
      ),
    joules: (second) =>
      parts.reduce(
        (sum, { watts, periodS, phase }) =>
          sum + (watts / omega(periodS)) * (Math.cos(phase) - Math.cos(omega(periodS) * second + phase)),
        mean * second,
      ),
  };
}

/** Steps between idling, prefill and decoding, none shorter than `shortestS`. */
export function steps(random: Random, untilS: number, shortestS: number): KnownPower {
  const levels = [80, 600, 350, 420];
  const edges: { at: number; watts: number; joules: number }[] = [{ at: 0, watts: 80, joules: 0 }];
  while (edges.at(-1)!.at < untilS) {
    const last = edges.at(-1)!;
    const lastsS = shortestS * (1 + 6 * random.uniform());
    edges.push({
      at: last.at + lastsS,
      watts: levels[random.below(levels.length)]!,
      joules: last.joules + last.watts * lastsS,
    });
  }
  const at = (second: number) => edges.findLast((edge) => edge.at <= second)!;
  return {
    watts: (second) => at(second).watts,
    joules: (second) => at(second).joules + at(second).watts * (second - at(second).at),
  };
}

/** Readings of the power at about every `periodS`, for so long. */
export function powerReadings(power: KnownPower, random: Random, periodS: number, untilS: number): Series {
  const series: Series = { timesNs: [], values: [] };
  for (let index = 0; index * periodS < untilS; index++) {
    const second = (index + 0.2 * random.uniform()) * periodS;
    series.timesNs.push(second * 1e9);
    series.values.push(power.watts(second));
  }
  return series;
}

/** Readings, as often as the sampler takes them, of an energy counter brought up to date every `periodS`. */
export function counterReadings(power: KnownPower, random: Random, periodS: number, untilS: number): Series {
  const series: Series = { timesNs: [], values: [] };
  const phaseS = periodS * random.uniform();
  for (let index = 0; (index * periodS) / looksPerTick < untilS; index++) {
    const second = ((index + 0.1 * random.uniform()) * periodS) / looksPerTick;
    const tickS = Math.floor((second - phaseS) / periodS) * periodS + phaseS;
    series.timesNs.push(second * 1e9);
    series.values.push(tickS <= 0 ? 0 : power.joules(tickS));
  }
  return series;
}

/** So long each trace lasts. */
export const lastS = 14;
export const smooth = swings(300, [
  { watts: 90, periodS: 2.3, phase: 0.4 },
  { watts: 30, periodS: 0.9, phase: 2 },
]);

/** Windows of 50 ms to 10 s anywhere, evenly spread on a log scale. */
export function* windows(random: Random, count: number) {
  for (let index = 0; index < count; index++) {
    const lengthS = 0.05 * 200 ** random.uniform();
    const startS = 1 + (lastS - 2 - lengthS) * random.uniform();
    yield { startS, endS: startS + lengthS, lengthS };
  }
}
