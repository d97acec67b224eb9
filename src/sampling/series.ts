import type { Nanoseconds } from '../core/units.js';
import type { Sample } from './ring.js';

/** The samples of one channel in order of time; NaN marks a gap. */
export interface Series {
  timesNs: Nanoseconds[];
  values: number[];
}

/** Sorts samples out by channel. A sample from before its predecessor, as of a clock set back, is left out. */
export class SeriesStore {
  readonly #byChannel = new Map<number, Series>();

  add(samples: readonly Sample[]): void {
    for (const { timeNs, channel, value } of samples) {
      const { timesNs, values } = this.of(channel);
      if (timesNs.length > 0 && timeNs < timesNs.at(-1)!) continue;
      timesNs.push(timeNs);
      values.push(value);
    }
  }

  of(channel: number): Series {
    let series = this.#byChannel.get(channel);
    if (!series) {
      series = { timesNs: [], values: [] };
      this.#byChannel.set(channel, series);
    }
    return series;
  }
}

/** The segments without a gap. */
export function pieces({ timesNs, values }: Series): Series[] {
  const found: Series[] = [];
  let piece: Series | null = null;
  for (const [index, value] of values.entries()) {
    if (Number.isNaN(value)) {
      piece = null;
      continue;
    }
    if (piece === null) {
      piece = { timesNs: [], values: [] };
      found.push(piece);
    }
    piece.timesNs.push(timesNs[index]!);
    piece.values.push(value);
  }
  return found;
}

/** The number of entries of a sorted list that are at most `limit`. */
export function countUpTo(sorted: ArrayLike<number>, limit: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
