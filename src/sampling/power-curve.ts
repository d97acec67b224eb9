import type { Nanoseconds } from '../core/units.js';
import { countUpTo, pieces, type Series } from './series.js';
import { type CumulativeCurve, checkWindow } from './window.js';

/** A segment of power samples with what lies before each: energy in J, and how far that may be off. */
interface Piece {
  timesNs: Nanoseconds[];
  watts: number[];
  joules: number[];
  looseJoules: number[];
  /** By interval: how far the true power may be from the line between its two samples. */
  looseWatts: number[];
}

/**
 * Energy by the trapezoid rule from a power gauge that shows an average over the last `averagedOverNs`
 * (0 for instants).
 *
 * Stated as its uncertainty is the worst case if the power between two samples strays from the line
 * between them by no more than the samples around them differ: half that for whole intervals, the whole
 * of it for those that the window cuts. An averaged gauge adds what lies above the lowest reading within
 * the average at either end. What a gauge does not see at all (A100 and H100 show a quarter of the time) nothing here
 * can cover.
 */
export function powerCurve(series: Series, averagedOverNs: Nanoseconds): CumulativeCurve {
  const curve = pieces(series).map(integrate);
  const lowestWatts = curve.reduce((least, { watts }) => Math.min(least, ...watts), Number.POSITIVE_INFINITY);
  const pieceAt = (timeNs: Nanoseconds) =>
    curve.find(({ timesNs }) => timeNs >= timesNs[0]! && timeNs <= timesNs.at(-1)!) ?? null;
  return {
    method: 'power-integral',
    averagedOverNs,
    known: curve.map(({ timesNs }) => ({ startNs: timesNs[0]!, endNs: timesNs.at(-1)! })),
    at(timeNs) {
      const piece = pieceAt(timeNs);
      return piece && energyUpTo(piece, timeNs);
    },
    window(startNs, endNs) {
      checkWindow(startNs, endNs);
      const piece = pieceAt(startNs);
      if (piece === null || endNs > piece.timesNs.at(-1)!) return { value: null, reason: 'lost' };
      const value = energyUpTo(piece, endNs) - energyUpTo(piece, startNs);
      const loose = looseWithin(piece, startNs, endNs);
      return {
        value,
        low: Math.max(0, value - loose - lag(piece, startNs, averagedOverNs, lowestWatts)),
        high: value + loose + lag(piece, endNs, averagedOverNs, lowestWatts),
        method: 'power-integral',
        readings: countUpTo(piece.timesNs, endNs) - countUpTo(piece.timesNs, startNs),
      };
    },
  };
}

function integrate({ timesNs, values: watts }: Series): Piece {
  const steps = watts.slice(1).map((value, index) => Math.abs(value - watts[index]!));
  const looseWatts = steps.map((step, index) =>
    Math.max(step, steps[index - 1] ?? step, steps[index + 1] ?? step),
  );
  const joules = [0];
  const looseJoules = [0];
  for (const [index, loose] of looseWatts.entries()) {
    const seconds = (timesNs[index + 1]! - timesNs[index]!) / 1e9;
    joules.push(joules[index]! + (seconds * (watts[index]! + watts[index + 1]!)) / 2);
    looseJoules.push(looseJoules[index]! + (seconds * loose) / 2);
  }
  return { timesNs, watts, joules, looseJoules, looseWatts };
}

function intervalAt({ timesNs }: Piece, timeNs: Nanoseconds): number {
  return Math.max(0, Math.min(countUpTo(timesNs, timeNs) - 1, timesNs.length - 2));
}

function energyUpTo(piece: Piece, timeNs: Nanoseconds): number {
  const { timesNs, watts, joules } = piece;
  const index = intervalAt(piece, timeNs);
  const next = index + 1;
  if (next >= timesNs.length) return joules[index]!; // A segment of a single sample.
  const seconds = (timeNs - timesNs[index]!) / 1e9;
  return joules[index]! + (seconds * (watts[index]! + wattsAt(piece, timeNs))) / 2;
}

function looseWithin(piece: Piece, startNs: Nanoseconds, endNs: Nanoseconds): number {
  const { timesNs, looseJoules, looseWatts } = piece;
  const first = intervalAt(piece, startNs);
  const last = intervalAt(piece, endNs);
  const cut = (index: number, fromNs: Nanoseconds, toNs: Nanoseconds) =>
    (looseWatts[index] ?? 0) * ((toNs - fromNs) / 1e9);
  if (first === last) return cut(first, startNs, endNs);
  return (
    cut(first, startNs, timesNs[first + 1]!) +
    (looseJoules[last]! - looseJoules[first + 1]!) +
    cut(last, timesNs[last]!, endNs)
  );
}

/**
 * How much more energy was used up to `timeNs` than the average shows, at most, if the power never falls
 * below the lowest reading: all that is above it may have come at the very end of the average.
 */
function lag(piece: Piece, timeNs: Nanoseconds, averagedOverNs: Nanoseconds, lowestWatts: number): number {
  return averagedOverNs === 0 ? 0 : (averagedOverNs / 1e9) * (wattsAt(piece, timeNs) - lowestWatts);
}

function wattsAt(piece: Piece, timeNs: Nanoseconds): number {
  const { timesNs, watts } = piece;
  const index = intervalAt(piece, timeNs);
  if (index + 1 >= timesNs.length) return watts[index]!;
  const share = (timeNs - timesNs[index]!) / (timesNs[index + 1]! - timesNs[index]!);
  return watts[index]! + share * (watts[index + 1]! - watts[index]!);
}
