import { quantile } from '../stats/quantile.js';
import { studentTCritical } from '../stats/student-t.js';
import type { CellSample } from './cell-sample.js';
import type { Measure } from './uniformity-statistics.js';

/** Measures' values over a bootstrap's resamples. */
export interface Resamples {
  /** `undefined` for a measure that was not asked for. */
  of(measure: Measure): Float64Array | undefined;
}

/** Evaluates `measures` on `count` samples, which `draw` makes one after another. */
export function resample(measures: readonly Measure[], count: number, draw: () => CellSample): Resamples {
  const values = new Map(measures.map((measure) => [measure.name, new Float64Array(count)]));
  for (let drawn = 0; drawn < count; drawn++) {
    const sample = draw();
    for (const measure of measures) values.get(measure.name)![drawn] = measure.of(sample);
  }
  return { of: (measure) => values.get(measure.name) };
}

export interface Spread {
  mean: number;
  sd: number;
  /** The central 95%. */
  low: number;
  high: number;
}

/**
 * With fewer resamples than this the 2.5% tails hold too few of them: a normal band, with Student's t for
 * what the resamples leave open of its width, is steadier.
 */
const enoughForPercentiles = 400;

/** Mean, spread and central 95% of the resamples that determine a value; `null` where half do not. */
export function spreadOf(values: Float64Array): Spread | null {
  const determined = values.filter((value) => Number.isFinite(value));
  if (determined.length < 2 || determined.length * 2 < values.length) return null;
  const mean = determined.reduce((sum, value) => sum + value, 0) / determined.length;
  const squares = determined.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const sd = Math.sqrt(squares / (determined.length - 1));
  const list = Array.from(determined);
  if (determined.length < enoughForPercentiles) {
    const reach = studentTCritical(0.025, determined.length - 1) * sd;
    return { mean, sd, low: mean - reach, high: mean + reach };
  }
  return { mean, sd, low: quantile(list, 0.025)!, high: quantile(list, 0.975)! };
}
