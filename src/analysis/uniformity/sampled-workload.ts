import type { Random } from '../../stats/random.js';
import { studentTCritical } from '../../stats/student-t.js';
import { sampleBuffer } from './cell-sample.js';
import { spreadOf } from './resampling.js';
import { type CellParts, thin } from './thinning.js';
import { measuresFor, type Observed, type StatisticName } from './uniformity-statistics.js';

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
  { sample: { totals }, measures, values }: Observed,
  {
    random,
    resamples,
    parts,
    only,
  }: { random: Random; resamples: number; parts: CellParts; only?: StatisticName | undefined },
): Map<StatisticName, Interval | null> {
  const { part, next, errorScale } = thin(totals, null, parts);
  const { work, models } = part.totals;
  const own = part.totals === totals ? measures : measuresFor(part.totals, only);
  const [buffer, bufferAtRest] = [sampleBuffer(part.totals), sampleBuffer(part.totals)];
  const copies = new Float64Array(work.length);
  const shifts: number[][] = own.map(() => []);
  let atRest: number[] | null = null;
  let order: Uint32Array | undefined;
  for (let k = 0; k < resamples; k++) {
    if (next() || atRest === null) {
      const observed = bufferAtRest.fill(work);
      // Copies of one model's cells keep the order of their rates, which the misbilled share does not need.
      order = models === 1 && only === undefined ? observed.order() : undefined;
      atRest = own.map((measure) => measure.of(observed));
    }
    drawCopies(copies, random);
    const sample = buffer.fill(work, copies, order);
    for (const [m, measure] of own.entries()) shifts[m]!.push(measure.of(sample) - atRest[m]!);
  }
  const t = studentTCritical(0.025, Math.max(1, effectiveNumber(totals.tokens) - 1));
  return new Map(
    own.map(({ name, extreme }, m) => {
      if (extreme && errorScale < 1) return [name, null];
      const shift = spreadOf(shifts[m]!, errorScale);
      if (shift === null) return [name, null];
      // A bias falls with the number of cells, an error with its root.
      const centre = values.get(name)! - shift.mean * errorScale ** 2;
      return [name, { low: centre - t * shift.sd, high: centre + t * shift.sd }];
    }),
  );
}

/** Times that each cell comes up in as many draws with replacement as there are cells. */
function drawCopies(copies: Float64Array, random: Random): void {
  copies.fill(0);
  for (let k = 0; k < copies.length; k++) copies[random.below(copies.length)]!++;
}

/** (Σx)²/Σx²: how many equal parts are as uneven as these (Kish 1965). */
function effectiveNumber(parts: Float64Array): number {
  const sum = parts.reduce((total, part) => total + part, 0);
  return sum ** 2 / parts.reduce((total, part) => total + part * part, 0);
}
