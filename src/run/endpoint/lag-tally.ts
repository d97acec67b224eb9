import { build, type Histogram } from 'hdr-histogram-js';
import type { Nanoseconds } from '../../core/units.js';

const dayNs = 8.64e13;

/** The lags of any number of requests in half a megabyte, to 0.1%. */
export class LagTally {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: dayNs,
    numberOfSignificantValueDigits: 3,
  });
  #max = 0;

  record(lagNs: Nanoseconds): void {
    const lag = Math.max(0, Math.round(lagNs));
    this.#max = Math.max(this.#max, lag);
    this.#histogram.recordValue(Math.min(lag, dayNs));
  }

  /** Null where none was recorded. A p99 of fewer than 100 is the largest. */
  summary(): { p50: Nanoseconds; p99: Nanoseconds; max: Nanoseconds } | null {
    if (this.#histogram.totalCount === 0) return null;
    // The histogram answers with the upper end of a bin, which may lie beyond the largest.
    const at = (percent: number) => Math.min(this.#max, this.#histogram.getValueAtPercentile(percent));
    return { p50: at(50), p99: at(99), max: this.#max };
  }
}
