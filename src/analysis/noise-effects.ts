import { normal95 } from '../stats/normal.js';
import type { Random } from '../stats/random.js';
import { type CellSample, sampleBuffer } from './cell-sample.js';
import type { CellTotals } from './cell-totals.js';
import { deviationErrors, fairestWork, leastMisbilledBias } from './noise-bias.js';
import { noiseSource } from './noise-draws.js';
import { type Resamples, resample, type Spread, spreadOf } from './resampling.js';
import type { Design } from './statistic.js';
import type { Measure } from './uniformity-statistics.js';
import type { Noise } from './within-cell-noise.js';

/** What the noise between repetitions does to one statistic. */
export interface NoiseEffect {
  /** The statistic's distribution where tokens track work perfectly. */
  floor: Spread;
  /** How far the noise spreads the statistic around its value, as a standard error each way. */
  error: { below: number; above: number };
  /** By how much noise inflates it: as estimated, and the least and most that the data allow. */
  bias: number;
  leastBias: number;
  mostBias: number;
}

/**
 * The noise's effect on every measure, by parametric bootstrap: the same draws of noise on the fair bill
 * (the hypothesis), on the work as observed, and on the fairest work the data allow. `null` per measure
 * where the resamples do not determine it.
 *
 * An unevenness is inflated by noise in a way that depends on how many cells are truly fair, which nothing
 * can estimate well (the kink of |x|; Cai & Low 2011). The interval therefore spans the least and the most
 * bias. Its coverage is measured in coverage.test.ts.
 */
export function noiseEffects(
  totals: CellTotals,
  noise: Noise,
  measures: readonly Measure[],
  { random, resamples, design }: { random: Random; resamples: number; design: Design },
): Map<Measure, NoiseEffect | null> {
  const observed = sampleBuffer(totals).fill(totals.work);
  const errors = deviationErrors(observed, noise);
  const fairest = fairestWork(observed, errors);
  const factors = new Float64Array(totals.work.length);
  const product = new Float64Array(totals.work.length);
  const drawNoise = noiseSource(noise, totals, random);
  const buffer = sampleBuffer(totals);
  const around = (work: Float64Array) => () => {
    drawNoise(factors);
    for (let c = 0; c < factors.length; c++) product[c] = work[c]! * factors[c]!;
    return buffer.fill(product);
  };
  const inflated = measures.filter((measure) => measure.inflated);
  const fair = resample(measures, resamples, around(observed.bill.slice()));
  // Where the requests are a sample, their own spread is the error; noise matters for its bias alone.
  const asObserved = resample(design === 'fixed' ? measures : inflated, resamples, around(totals.work));
  const asFairest = resample(inflated, resamples, around(fairest));
  const fairestSample = sampleBuffer(totals).fill(fairest);

  return new Map(
    measures.map((measure) => [
      measure,
      effectOn(measure, { fair, asObserved, asFairest, observed, fairestSample, errors }),
    ]),
  );
}

function effectOn(
  measure: Measure,
  run: {
    fair: Resamples;
    asObserved: Resamples;
    asFairest: Resamples;
    observed: CellSample;
    fairestSample: CellSample;
    errors: Float64Array;
  },
): NoiseEffect | null {
  const floor = spreadOf(run.fair.of(measure)!);
  if (floor === null) return null;
  const unbiased = { floor, bias: 0, leastBias: 0, mostBias: 0 };
  const around = run.asObserved.of(measure);
  // A sampled workload's R² and elasticity have their error from the sample.
  if (around === undefined) return { ...unbiased, error: { below: 0, above: 0 } };
  const spread = spreadOf(around);
  if (spread === null) return null;
  if (!measure.inflated) return { ...unbiased, error: { below: spread.sd, above: spread.sd } };

  const bias = spread.mean - measure.of(run.observed);
  const fairest = spreadOf(run.asFairest.of(measure)!);
  const fairestBias = fairest === null ? bias : fairest.mean - measure.of(run.fairestSample);
  const biases = [bias, fairestBias];
  let above = spread.sd;
  if (measure.name === 'misbilledShare') {
    const least = leastMisbilledBias(run.observed, run.errors);
    biases.push(least.bias);
    above = Math.max(above, least.standardError);
  }
  const error = { below: spread.sd, above };
  return { floor, error, bias, leastBias: Math.min(...biases), mostBias: Math.max(...biases) };
}

/** The 95% interval of a statistic on a fixed design, where noise alone is random. */
export function fixedDesignInterval(observed: number, effect: NoiseEffect): { low: number; high: number } {
  return {
    low: observed - effect.mostBias - normal95 * effect.error.below,
    high: observed - effect.leastBias + normal95 * effect.error.above,
  };
}
