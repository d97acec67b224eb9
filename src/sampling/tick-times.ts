import type { Nanoseconds } from '../core/units.js';
import { median } from '../stats/quantile.js';
import type { Series } from './series.js';

interface Ticks {
  earliestNs: readonly Nanoseconds[];
  likelyNs: readonly Nanoseconds[];
  latestNs: readonly Nanoseconds[];
}

/** So many ticks on either side help to place one. */
const neighbours = 16;
/** Share of a tick's deviation from where it was expected that is believed. */
const trust = 0.2;

/**
 * When a regular counter most likely ticked. A sample tells only that the counter ticked since the sample
 * before, some tenths of a period of doubt; but ticks come at even distances, so
 * each tick's neighbours, moved by their distance, narrow it down too: ten periods are then enough for
 * an energy within 1%. Where they contradict each other (a counter that is not quite regular) their mean
 * is taken; no tick leaves the time in which it must have been. Where samples are further apart than
 * ticks, the times stay as they are.
 */
export function sharpenTicks(
  { earliestNs, likelyNs, latestNs }: Ticks,
  periodNs: Nanoseconds,
): Nanoseconds[] {
  const last = likelyNs.length - 1;
  if (last < 2) return [...likelyNs];
  const numbers = numberTicks({ earliestNs, likelyNs, latestNs }, periodNs);
  if (numbers.at(-1)! > 1.5 * last) return [...likelyNs];
  const everyNs = slope(numbers, likelyNs.slice(1));
  const sharpened = [likelyNs[0]!];
  for (let index = 1; index <= last; index++) {
    let from = Number.NEGATIVE_INFINITY;
    let to = Number.POSITIVE_INFINITY;
    let sum = 0;
    const first = Math.max(1, index - neighbours);
    const until = Math.min(last, index + neighbours);
    for (let other = first; other <= until; other++) {
      const moveNs = (numbers[index - 1]! - numbers[other - 1]!) * everyNs;
      from = Math.max(from, earliestNs[other]! + moveNs);
      to = Math.min(to, latestNs[other]! + moveNs);
      sum += likelyNs[other]! + moveNs;
    }
    const tickNs = from <= to ? (from + to) / 2 : sum / (until - first + 1);
    const within = Math.min(Math.max(tickNs, earliestNs[index]!), latestNs[index]!);
    sharpened.push(Math.max(sharpened[index - 1]!, within));
  }
  // The tick before the first that was seen, which set the first value.
  sharpened[0] = Math.min(sharpened[0]!, sharpened[1]! - everyNs);
  return sharpened;
}

/** The median time between two moments at which a counter had moved; all of the time where it did not move twice. */
export function tickDistance({ timesNs, values }: Series): Nanoseconds {
  const movedNs: Nanoseconds[] = [];
  let shown = values[0];
  for (const [index, value] of values.entries()) {
    if (value === shown || Number.isNaN(value)) continue;
    shown = value;
    movedNs.push(timesNs[index]!);
  }
  const apart = movedNs.slice(1).map((atNs, index) => atNs - movedNs[index]!);
  return median(apart) ?? (timesNs.at(-1) ?? 0) - (timesNs[0] ?? 0);
}

/** Which tick each one is, from the second on, counting those that came between two samples unseen. */
function numberTicks({ earliestNs, likelyNs, latestNs }: Ticks, periodNs: Nanoseconds): number[] {
  const numbers = [0];
  let expectedNs = likelyNs[1]!;
  for (let index = 2; index < likelyNs.length; index++) {
    const tickNs = likelyNs[index]!;
    // Samples closer than ticks see every single one.
    const alone = latestNs[index]! - earliestNs[index]! < periodNs;
    const apart = alone ? 1 : Math.max(1, Math.round((tickNs - expectedNs) / periodNs));
    numbers.push(numbers.at(-1)! + apart);
    expectedNs += apart * periodNs;
    expectedNs += trust * (tickNs - expectedNs);
  }
  return numbers;
}

/** Slope of the least-squares line through the points. */
function slope(xs: readonly number[], ys: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(xs), mean(ys)];
  let covariance = 0;
  let variance = 0;
  for (const [index, x] of xs.entries()) {
    covariance += (x - meanX) * (ys[index]! - meanY);
    variance += (x - meanX) ** 2;
  }
  return covariance / variance;
}
