import type { Random } from '../stats/random.js';
import { studentTCritical } from '../stats/student-t.js';
import { sampleBuffer } from './cell-sample.js';
import type { CellTotals } from './cell-totals.js';
import { spreadOf } from './resampling.js';
import { thin } from './thinning.js';
import { measuresFor, type StatisticName } from './uniformity-statistics.js';

/** With fewer clusters than this a cluster bootstrap's intervals are far too narrow. */
export const fewestClusters = 10;

/** A statistic's 95% interval over samples like this one. */
export interface Interval {
  low: number;
  high: number;
}

/**
 * Cluster bootstrap (Efron & Tibshirani 1993, ch. 8): draws whole cells with replacement, as many as there
 * are. The interval is the statistic, less the bias that the resamples show, ± t standard errors; t has the
 * degrees of freedom of the cells that carry the bill (Kish's effective number, less one), since few large
 * requests can outweigh hundreds of small ones. Percentile intervals of the same resamples fall short: they
 * covered 88% with 20 cells and 91% with 60.
 */
export function clusterIntervals(
  totals: CellTotals,
  { random, resamples, only }: { random: Random; resamples: number; only?: StatisticName | undefined },
): Map<StatisticName, Interval | null> {
  const thinning = thin(totals, null, random);
  const measures = measuresFor(totals, only);
  const drawn = new Map<StatisticName, number[]>(measures.map(({ name }) => [name, []]));
  const atRest = new Map<StatisticName, number[]>(measures.map(({ name }) => [name, []]));
  for (let k = 0; k < resamples; k++) {
    const part = thinning.next().totals;
    const own = part === totals ? measures : measuresFor(part, only);
    const observed = sampleBuffer(part).fill(part.work);
    // Copies of one model's cells keep the order of their rates, which the misbilled share does not need.
    const order = part.models === 1 && only === undefined ? observed.order() : undefined;
    const sample = sampleBuffer(part).fill(part.work, drawCopies(part.work.length, random), order);
    for (const measure of own) {
      drawn.get(measure.name)!.push(measure.of(sample));
      atRest.get(measure.name)!.push(measure.of(observed));
    }
  }
  const observed = sampleBuffer(totals).fill(totals.work);
  const t = studentTCritical(0.025, Math.max(1, effectiveNumber(totals.tokens) - 1));
  return new Map(
    measures.map((measure) => {
      const { name } = measure;
      if (measure.extreme && thinning.errorScale < 1) return [name, null];
      const shift = spreadOf(
        drawn.get(name)!.map((value, k) => value - atRest.get(name)![k]!),
        thinning.errorScale,
      );
      if (shift === null) return [name, null];
      // A bias falls with the number of cells, an error with its root.
      const centre = measure.of(observed) - shift.mean * thinning.errorScale ** 2;
      return [name, { low: centre - t * shift.sd, high: centre + t * shift.sd }];
    }),
  );
}

/** How often each of `size` cells comes up in as many draws with replacement. */
function drawCopies(size: number, random: Random): Float64Array {
  const copies = new Float64Array(size);
  for (let k = 0; k < size; k++) copies[random.below(size)]!++;
  return copies;
}

/** (Σx)²/Σx²: how many equal parts are as uneven as these (Kish 1965). */
function effectiveNumber(parts: Float64Array): number {
  const sum = parts.reduce((total, part) => total + part, 0);
  return sum ** 2 / parts.reduce((total, part) => total + part * part, 0);
}
