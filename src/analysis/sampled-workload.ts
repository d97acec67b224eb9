import type { Random } from '../stats/random.js';
import { sampleBuffer } from './cell-sample.js';
import type { CellTotals } from './cell-totals.js';
import { resample, type Spread, spreadOf } from './resampling.js';
import type { Measure } from './uniformity-statistics.js';

/** With fewer clusters than this a cluster bootstrap's intervals are far too narrow. */
export const fewestClusters = 10;

/**
 * How far every measure spreads over samples like this one: a cluster bootstrap, which draws whole cells
 * with replacement, as many as there are (Efron & Tibshirani 1993, ch. 8).
 */
export function clusterSpreads(
  totals: CellTotals,
  measures: readonly Measure[],
  { random, resamples }: { random: Random; resamples: number },
): Map<Measure, Spread | null> {
  const size = totals.work.length;
  const buffer = sampleBuffer(totals);
  const copies = new Float64Array(size);
  const drawn = resample(measures, resamples, () => {
    copies.fill(0);
    for (let k = 0; k < size; k++) copies[random.below(size)]!++;
    return buffer.fill(totals.work, copies);
  });
  return new Map(measures.map((measure) => [measure, spreadOf(drawn.of(measure))]));
}
