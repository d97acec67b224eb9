import { quantile } from '../../stats/quantile.js';
import { studentTCritical } from '../../stats/student-t.js';

/** Values of a statistic over resamples. */
export interface ResampledValues {
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

/**
 * Mean, spread and central 95% of the resamples that determine a value; `null` where half do not. With an
 * `errorScale` other than 1 they were made on a part of the cells, and their spread is scaled to the whole.
 */
export function resampledValues(values: readonly number[], errorScale = 1): ResampledValues | null {
  const determined = values.filter((value) => Number.isFinite(value));
  if (determined.length < 2 || determined.length * 2 < values.length) return null;
  const mean = determined.reduce((sum, value) => sum + value, 0) / determined.length;
  const squares = determined.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const sd = errorScale * Math.sqrt(squares / (determined.length - 1));
  if (errorScale !== 1 || determined.length < enoughForPercentiles) {
    const reach = studentTCritical(0.025, determined.length - 1) * sd;
    return { mean, sd, low: mean - reach, high: mean + reach };
  }
  return { mean, sd, low: quantile(determined, 0.025)!, high: quantile(determined, 0.975)! };
}
