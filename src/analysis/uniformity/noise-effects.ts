import { reachOf } from '../../stats/combined-variance.js';
import { normal95 } from '../../stats/normal.js';
import type { Random } from '../../stats/random.js';
import type { Design } from '../statistic.js';
import { type CellSample, sampleBuffer } from './cell-sample.js';
import { deviationErrors, fairestWork, leastMisbilledBias, noiseFreedom, tiedWork } from './noise-bias.js';
import { type AttributionPattern, noiseSource } from './noise-draws.js';
import { type ResampledValues, resampledValues } from './resampling.js';
import { type CellParts, type Part, thin } from './thinning.js';
import { type Measure, measuresFor, type Observed, type StatisticName } from './uniformity-statistics.js';
import type { Noise } from './within-cell-noise.js';

/** The effect of the noise between repetitions on one statistic. */
export interface NoiseEffect {
  /** The statistic's distribution where tokens track work perfectly. */
  floor: ResampledValues;
  /** Standard error each way by which the noise spreads the statistic around its value. */
  error: { below: number; above: number };
  /** Of Student's t, as the size of the noise is an estimate too. */
  degreesOfFreedom: number;
  /** Amount by which noise inflates it: as estimated, and the least and most that the data allow. */
  bias: number;
  leastBias: number;
  mostBias: number;
}

interface NoiseOptions {
  design: Design;
  random: Random;
  resamples: number;
  parts: CellParts;
  only?: StatisticName | undefined;
}

/**
 * The noise's effect on every measure, by parametric bootstrap: draws of noise on the fair bill (the
 * hypothesis), on the work as observed, on the fairest work the data allow, and for the Gini coefficient on
 * the most tied. `null` per measure where the resamples do not determine it.
 *
 * An unevenness is inflated by noise in a way that depends on how many cells are truly fair, which nothing
 * can estimate well (the kink of |x|; Cai & Low 2011). The interval therefore spans the least and the most
 * bias. Its coverage is measured in coverage.test.ts.
 */
export function noiseEffects(
  observed: Observed,
  noise: Noise,
  options: NoiseOptions,
): Map<StatisticName, NoiseEffect | null> {
  const apart = effectsBy('apart', observed, noise, options);
  if (noise.attribution === null) return apart;
  const together = effectsBy('together', observed, noise, options);
  return new Map([...apart].map(([name, effect]) => [name, wider(effect, together.get(name) ?? null)]));
}

/** What holds for both: how the errors of attributed work go together over cells nothing in a result says. */
function wider(one: NoiseEffect | null, other: NoiseEffect | null): NoiseEffect | null {
  if (one === null || other === null) return null;
  return {
    floor: {
      ...(one.floor.high > other.floor.high ? one.floor : other.floor),
      low: Math.min(one.floor.low, other.floor.low),
      high: Math.max(one.floor.high, other.floor.high),
    },
    error: {
      below: Math.max(one.error.below, other.error.below),
      above: Math.max(one.error.above, other.error.above),
    },
    degreesOfFreedom: Math.min(one.degreesOfFreedom, other.degreesOfFreedom),
    bias: Math.min(one.bias, other.bias),
    // Cells that err together may inflate nothing.
    leastBias: Math.min(0, one.leastBias, other.leastBias),
    mostBias: Math.max(one.mostBias, other.mostBias),
  };
}

function effectsBy(
  pattern: AttributionPattern,
  { sample, measures, values }: Observed,
  noise: Noise,
  { design, random, resamples, parts, only }: NoiseOptions,
): Map<StatisticName, NoiseEffect | null> {
  const { part, next, errorScale } = thin(sample.totals, noise, parts);
  const bench = benchOn(part, random, { design, only, pattern });
  const draws: Draw[] = [];
  for (let drawn = 0; drawn < resamples; drawn++) {
    if (next() || drawn === 0) bench.set();
    draws.push(bench.draw());
  }
  const errors = deviationErrors(sample, noise);
  const least = leastMisbilledBias(sample, errors);
  const { cellSigma, cellFreedom, ownSigma, ownFreedom } = noise;
  const borrowed = noiseFreedom(sample, noise, { sigma: cellSigma, freedom: cellFreedom });
  const own = noiseFreedom(sample, noise, { sigma: ownSigma, freedom: ownFreedom });
  return new Map(
    measures.map((measure) => {
      const { name } = measure;
      const effect =
        errorScale < 1 && measure.extreme
          ? null
          : effectOn(measure, draws, { errorScale, freedom: measure.ofSquares ? borrowed : own, pattern });
      if (effect === null) return [name, null];
      if (name === 'misbilledShare') return [name, widened(effect, least)];
      return [name, measure.ofTails ? withTies(effect, values.get(name)!) : effect];
    }),
  );
}

type Values = Partial<Record<StatisticName, number>>;

/** Values under one draw of noise, the same for all: of the fair bill, and how far it moved the other patterns. */
interface Draw {
  fair: Values;
  shift: Values;
  fairestShift: Values;
  tiedShift: Values;
  /** Size of the noise that was drawn, in its estimate. */
  inflation: number;
}

/** A part of the cells that noise is tried out on; `set` anew whenever other cells are in it. */
interface Bench {
  set(): void;
  draw(): Draw;
}

function benchOn(
  { totals, noise }: Part,
  random: Random,
  { design, only, pattern }: Pick<NoiseOptions, 'design' | 'only'> & { pattern: AttributionPattern },
): Bench {
  const measures = measuresFor(totals, only);
  const inflated = measures.filter((measure) => measure.inflated);
  const ordered = measures.filter(({ name }) => name === 'gini');
  // Where the requests are a sample, that is the error; noise matters for the bias it gives alone.
  const moved = design === 'fixed' || noise!.attribution !== null ? measures : inflated;
  // Squares leave a few cells to carry the error, whose own repetitions say too little of it.
  const [squared, summed] = [moved.filter(({ ofSquares }) => ofSquares), moved.filter((m) => !m.ofSquares)];
  const evaluate = (sample: CellSample, wanted: readonly Measure[]) =>
    Object.fromEntries(wanted.map((measure) => [measure.name, measure.of(sample)])) as Values;
  const shift = (to: Values, from: Values) =>
    Object.fromEntries(
      Object.entries(to).map(([name, value]) => [name, value - from[name as StatisticName]!]),
    ) as Values;

  const factors = new Float64Array(totals.work.length);
  const product = new Float64Array(totals.work.length);
  const [buffer, bufferAtRest] = [sampleBuffer(totals), sampleBuffer(totals)];
  let source = noiseSource(noise!, totals, random, pattern);
  let [fairBill, fairest, tied] = [totals.work, totals.work, totals.work];
  let [atRest, fairestAtRest, tiedAtRest]: Values[] = [{}, {}, {}];
  const disturbed = (work: Float64Array, wanted: readonly Measure[], by = factors) => {
    for (let c = 0; c < by.length; c++) product[c] = work[c]! * by[c]!;
    return evaluate(buffer.fill(product), wanted);
  };
  /** The same draw, as large as the cells' own repetitions say. */
  const ownFactors = new Float64Array(totals.work.length);
  const fillOwn = () => {
    const { cellSigma, ownSigma } = noise!;
    for (let c = 0; c < factors.length; c++) {
      ownFactors[c] = cellSigma[c]! > 0 ? factors[c]! ** (ownSigma[c]! / cellSigma[c]!) : factors[c]!;
    }
  };
  return {
    set() {
      const observed = bufferAtRest.fill(totals.work);
      fairBill = observed.bill;
      const errors = deviationErrors(observed, noise!);
      fairest = fairestWork(observed, errors);
      if (ordered.length > 0) tied = tiedWork(observed, errors);
      atRest = evaluate(observed, moved);
      fairestAtRest = evaluate(buffer.fill(fairest), inflated);
      tiedAtRest = evaluate(buffer.fill(tied), ordered);
      source = noiseSource(noise!, totals, random, pattern);
    },
    draw() {
      const inflation = source.repeat(factors);
      fillOwn();
      source.attribute([factors, ownFactors], inflation);
      return {
        inflation,
        fair: disturbed(fairBill, measures),
        shift: shift(
          {
            ...disturbed(totals.work, summed, ownFactors),
            ...(squared.length > 0 && disturbed(totals.work, squared)),
          },
          atRest!,
        ),
        fairestShift: shift(disturbed(fairest, inflated), fairestAtRest!),
        tiedShift: shift(disturbed(tied, ordered), tiedAtRest!),
      };
    },
  };
}

function effectOn(
  measure: Measure,
  draws: readonly Draw[],
  { errorScale, freedom, pattern }: { errorScale: number; freedom: number; pattern: AttributionPattern },
): NoiseEffect | null {
  const spread = (kind: Exclude<keyof Draw, 'inflation'>) =>
    resampledValues(
      draws.map((draw) => draw[kind][measure.name] ?? 0),
      errorScale,
    );
  const [floor, shift] = [spread('fair'), spread('shift')];
  if (floor === null || shift === null) return null;
  // Student's t accounts for the noise's size, which the draws' own sizes would do once more.
  const inflation = Math.sqrt(draws.reduce((sum, draw) => sum + draw.inflation ** 2, 0) / draws.length);
  // One error that moves many cells does not average out: where cells cross their fair share it moves the statistic
  // further one way than the other.
  const skewed = (reach: number) => Math.max(shift.sd, pattern === 'together' ? reach / normal95 : 0);
  const error = { below: skewed(-shift.low) / inflation, above: skewed(shift.high) / inflation };
  const effect = { floor, error, degreesOfFreedom: freedom };
  if (!measure.inflated) return { ...effect, bias: 0, leastBias: 0, mostBias: 0 };
  const biases = [shift.mean, spread('fairestShift')?.mean ?? shift.mean];
  if (measure.name === 'gini') biases.push(spread('tiedShift')?.mean ?? shift.mean);
  return { ...effect, bias: shift.mean, leastBias: Math.min(...biases), mostBias: Math.max(...biases) };
}

function widened(effect: NoiseEffect, least: { bias: number; standardError: number }): NoiseEffect {
  return {
    ...effect,
    error: { ...effect.error, above: Math.max(effect.error.above, least.standardError) },
    leastBias: Math.min(effect.leastBias, least.bias),
    mostBias: Math.max(effect.mostBias, least.bias),
  };
}

/**
 * The ends of cells that all cost the same are whichever noise pushed out, which no value that came out shows:
 * a ratio of tails may be inflated by as much as it is where every cell is fair, and not at all where they
 * stand apart.
 */
function withTies(effect: NoiseEffect, observed: number): NoiseEffect {
  const ifTied = observed * (1 - 1 / effect.floor.mean);
  return {
    ...effect,
    leastBias: Math.min(0, effect.leastBias),
    mostBias: Math.max(effect.mostBias, ifTied),
  };
}

/** The 95% interval of a statistic on a fixed design, where noise alone is random. */
export function fixedDesignInterval(observed: number, effect: NoiseEffect): { low: number; high: number } {
  const reach = (error: number) => reachOf({ variance: error ** 2, freedom: effect.degreesOfFreedom });
  return {
    low: observed - effect.mostBias - reach(effect.error.below),
    high: observed - effect.leastBias + reach(effect.error.above),
  };
}
