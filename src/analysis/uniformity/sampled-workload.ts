import type { Random } from '../../stats/random.js';
import { studentTCritical } from '../../stats/student-t.js';
import { tailIndex } from '../../stats/tail-index.js';
import { effectiveSize } from '../../stats/weighted-quantile.js';
import { sampleBuffer } from './cell-sample.js';
import type { CellFigures } from './cell-totals.js';
import { resampledValues } from './resampling.js';
import { type CellParts, thin } from './thinning.js';
import { type Measure, measuresFor, type Observed, type StatisticName } from './uniformity-statistics.js';

/** With fewer clusters than this a cluster bootstrap's intervals are far too narrow. */
export const fewestClusters = 10;

/** A statistic's 95% interval over samples like this one. */
export interface Interval {
  low: number;
  high: number;
}

/**
 * Cluster bootstrap (Efron & Tibshirani 1993, ch. 8): draws whole cells with replacement, as many as there
 * are. The interval is the statistic, less the bias that the resamples show, ± t standard errors, on the scale
 * of its logarithm where it measures unevenness; t has the degrees of freedom of the cells that carry the bill
 * (Kish's effective number, less one), since few large requests can outweigh hundreds of small ones. Percentile
 * intervals of the same resamples fall short: they covered 88% with 20 cells and 91% with 60.
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
    for (const [m, measure] of own.entries()) {
      shifts[m]!.push(measure.of(sample) - atRest[m]!);
    }
  }
  const t = studentTCritical(0.025, Math.max(1, effectiveSize(totals.tokens) - 1));
  return new Map(
    own.map((measure, m) => {
      const { name, extreme } = measure;
      if (extreme && errorScale < 1) return [name, null];
      const shift = resampledValues(shifts[m]!, errorScale);
      if (shift === null) return [name, null];
      // A bias falls with the number of cells, an error with its root.
      const centre = values.get(name)! - shift.mean * errorScale ** 2;
      return [name, around(measure, centre, t * shift.sd)];
    }),
  );
}

/** Why the intervals of a sample are in doubt, from the tail of its cells' work. */
export interface TailCaution {
  /** Of every statistic, as work then has no variance; a ratio of squares has no value to estimate. */
  all?: string;
  /** Of a ratio of squares, as its error hangs on a fourth moment: it then has no interval. */
  ofSquares?: string;
}

/**
 * A bootstrap of sums needs a variance, and so a tail of index 2 or more (Athreya 1987); that of a ratio of
 * squares 4. The coverages are those of simulations of Pareto lengths with indices 1.5 and 2.5.
 */
export function tailCaution({ work }: CellFigures): TailCaution {
  const index = tailIndex(work);
  if (index === null || index >= 4) return {};
  const seen = `the work of cells has a heavy tail (index ${index.toFixed(1)})`;
  if (index < 2) {
    return {
      all: `${seen}; below 2 it has no variance, and 95% intervals may hold the truth in 90% of samples`,
      ofSquares: `${seen}, and no variance to explain a share of`,
    };
  }
  return {
    ofSquares: `${seen}; below 4, 95% intervals of R² held the truth in 66% to 89% of samples, and so none is given`,
  };
}

/** Gini and Theil of fewer cells hang on those that the sample happened to miss. */
const enoughForConcentration = 100;

/** How far the intervals of some statistics of a sample fall short, in simulations of lognormal requests. */
export function sampleCaution(name: StatisticName, cells: number): string | undefined {
  if (name === 'p95OverP5') return '95% intervals of p95/p5 held the truth in 90% to 91% of samples';
  if ((name === 'gini' || name === 'theil') && cells < enoughForConcentration) {
    return '95% intervals of Gini and Theil held the truth in 87% to 91% of samples of 50 requests';
  }
  return undefined;
}

/**
 * A measure of unevenness has no upper end and skews: it errs alike both ways on the scale of its logarithm,
 * whose standard error is the relative one. Of none there is no logarithm.
 */
function around({ inflated }: Measure, centre: number, reach: number): Interval {
  if (!inflated || centre <= 0) return { low: centre - reach, high: centre + reach };
  const factor = Math.exp(reach / centre);
  return { low: centre / factor, high: centre * factor };
}

/** Times that each cell comes up in as many draws with replacement as there are cells. */
function drawCopies(copies: Float64Array, random: Random): void {
  copies.fill(0);
  for (let k = 0; k < copies.length; k++) copies[random.below(copies.length)]!++;
}
