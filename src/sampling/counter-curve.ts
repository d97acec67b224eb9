import type { Nanoseconds } from '../core/units.js';
import { countUpTo, pieces, type Series } from './series.js';
import { sharpenTicks } from './tick-times.js';
import { type CumulativeCurve, checkWindow } from './window.js';

/** Segments of a counter: its ticks, each known to have happened within a short time. */
interface Piece {
  startNs: Nanoseconds;
  endNs: Nanoseconds;
  /** When the tick to `values[i]` happened at the earliest, most likely, and at the latest. */
  earliestNs: Nanoseconds[];
  likelyNs: Nanoseconds[];
  latestNs: Nanoseconds[];
  values: number[];
  largestStep: number;
}

/**
 * A counter that is brought up to date every `periodNs` (null where that is not known), seen through
 * samples. Between two ticks the amount is interpolated. The bounds use only that the amount never falls:
 * up to a moment, at least what the last tick surely before it showed, and at most what the first tick
 * surely after it will show. A window in which the counter did not move is `too-short`.
 */
export function counterCurve(series: Series, periodNs: Nanoseconds | null): CumulativeCurve {
  const curve = pieces(series).map((piece) => ticksOf(piece, periodNs));
  const pieceAt = (timeNs: Nanoseconds) =>
    curve.find(({ startNs, endNs }) => timeNs >= startNs && timeNs <= endNs) ?? null;
  return {
    method: 'counter',
    averagedOverNs: 0,
    known: curve.map(({ startNs, endNs }) => ({ startNs, endNs })),
    at(timeNs) {
      const piece = pieceAt(timeNs);
      return piece && interpolate(piece, timeNs);
    },
    window(startNs, endNs) {
      checkWindow(startNs, endNs);
      const piece = pieceAt(startNs);
      if (piece === null || endNs > piece.endNs) return { value: null, reason: 'lost' };
      const readings = countUpTo(piece.latestNs, endNs) - countUpTo(piece.latestNs, startNs);
      if (readings === 0) return { value: null, reason: 'too-short' };
      const value = interpolate(piece, endNs) - interpolate(piece, startNs);
      const atStart = bounds(piece, startNs);
      const atEnd = bounds(piece, endNs);
      return {
        value,
        low: Math.max(0, atEnd.low - atStart.high),
        high: atEnd.high - atStart.low,
        method: 'counter',
        readings,
      };
    },
  };
}

function ticksOf({ timesNs, values: shown }: Series, periodNs: Nanoseconds | null): Piece {
  const firstNs = timesNs[0]!;
  const period = periodNs ?? Number.POSITIVE_INFINITY;
  const piece: Piece = {
    startNs: firstNs,
    endNs: timesNs.at(-1)!,
    // The tick to the first value was before the first sample, nobody saw when.
    earliestNs: [Number.NEGATIVE_INFINITY],
    likelyNs: [firstNs - (periodNs ?? 0) / 2],
    latestNs: [firstNs],
    values: [shown[0]!],
    largestStep: 0,
  };
  for (let index = 1; index < shown.length; index++) {
    const step = shown[index]! - shown[index - 1]!;
    if (step === 0) continue;
    const latest = timesNs[index]!;
    const previous = timesNs[index - 1]!;
    // Ticks are not perfectly regular: the bound leaves them twice their period.
    piece.earliestNs.push(Math.max(previous, latest - 2 * period));
    piece.likelyNs.push((Math.max(previous, latest - period) + latest) / 2);
    piece.latestNs.push(latest);
    piece.values.push(shown[index]!);
    piece.largestStep = Math.max(piece.largestStep, step);
  }
  if (periodNs !== null) piece.likelyNs = sharpenTicks(piece, periodNs);
  return piece;
}

function interpolate({ likelyNs, values }: Piece, timeNs: Nanoseconds): number {
  const after = countUpTo(likelyNs, timeNs);
  if (after === 0) return values[0]!;
  if (after === values.length) return values.at(-1)!;
  const share = (timeNs - likelyNs[after - 1]!) / (likelyNs[after]! - likelyNs[after - 1]!);
  return values[after - 1]! + share * (values[after]! - values[after - 1]!);
}

function bounds({ earliestNs, latestNs, values, largestStep }: Piece, timeNs: Nanoseconds) {
  const surelyBefore = countUpTo(latestNs, timeNs) - 1;
  let surelyAfter = countUpTo(earliestNs, timeNs);
  if (earliestNs[surelyAfter - 1] === timeNs) surelyAfter--;
  return {
    low: values[Math.max(0, surelyBefore)]!,
    // After the last tick that was seen, one more may be pending.
    high: values[surelyAfter] ?? values.at(-1)! + largestStep,
  };
}
