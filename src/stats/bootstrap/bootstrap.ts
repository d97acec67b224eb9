import { median, quantile } from '../quantile.js';
import { createRandom, type Random } from '../random.js';

export interface Interval {
  value: number;
  low: number;
  high: number;
}

/**
 * The ratio of two medians, candidate over baseline, with a percentile-bootstrap interval (Efron 1979):
 * each side is resampled on its own. `null` where a side is empty or a median of the baseline is 0.
 */
export function ratioOfMedians(
  baseline: readonly number[],
  candidate: readonly number[],
  { seed, resamples = 2000, level = 0.95 }: { seed: number; resamples?: number; level?: number },
): Interval | null {
  const value = ratio(median(baseline), median(candidate));
  if (value === null) return null;
  const random = createRandom(seed);
  const [before, after] = [medianResampler(baseline, random), medianResampler(candidate, random)];
  const ratios: number[] = [];
  for (let drawn = 0; drawn < resamples; drawn++) {
    const resampled = ratio(before(), after());
    if (resampled === null) return null;
    ratios.push(resampled);
  }
  const tail = (1 - level) / 2;
  return { value, low: quantile(ratios, tail)!, high: quantile(ratios, 1 - tail)! };
}

function ratio(baseline: number | null, candidate: number | null): number | null {
  return baseline === null || candidate === null || baseline === 0 ? null : candidate / baseline;
}

/** Medians of resamples. How often each value comes up in order decides them, so that none has to be sorted. */
function medianResampler(values: readonly number[], random: Random): () => number {
  const sorted = Float64Array.from(values).sort();
  const size = sorted.length;
  const copies = new Uint32Array(size);
  return () => {
    copies.fill(0);
    for (let drawn = 0; drawn < size; drawn++) copies[random.below(size)]!++;
    let at = 0;
    let passed = copies[0]!;
    while (passed < (size + 1) >> 1) passed += copies[++at]!;
    const lower = sorted[at]!;
    if (size % 2 === 1 || passed > size / 2) return lower;
    do at++;
    while (copies[at] === 0);
    return (lower + sorted[at]!) / 2;
  };
}
