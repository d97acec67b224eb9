import { worthNaming } from '../../core/verdict.js';
import { createRandom, deriveSeed } from '../../stats/random.js';
import { type Design, type Statistic, unknown, type Verdict } from '../statistic.js';
import type { CellSample } from './cell-sample.js';
import { drawsPerCall } from './noise-draws.js';
import { fixedDesignInterval, type NoiseEffect, noiseEffects } from './noise-effects.js';
import type { ResampledValues } from './resampling.js';
import {
  clusterIntervals,
  fewestClusters,
  type Interval,
  sampleCaution,
  tailCaution,
} from './sampled-workload.js';
import { CellParts, mostCells } from './thinning.js';
import { type Measure, measuresFor, type StatisticName } from './uniformity-statistics.js';
import type { Noise } from './within-cell-noise.js';

export interface UniformityOptions {
  design: Design;
  seed: number;
  /** Bootstrap resamples at most; large workloads, whose statistics hardly spread, get fewer. */
  resamples: number;
  /** Shared by metrics of the same cells, where there are many; drawn anew where unknown. */
  parts?: CellParts;
  /** One statistic instead of all, which is ten times quicker. */
  only?: 'misbilledShare';
  /** Why nothing is judged: the cells are no workload. */
  unjudged?: string;
}

/** Numbers that a bootstrap may draw: of a metric about half a second; less for one statistic, and of a part. */
const drawBudget = { all: 1_000_000, part: 100_000 };

/**
 * Every statistic of "do tokens track work?" for one metric's cells as measured, with intervals, noise floors
 * and verdicts. `noise` is `null` where nothing was repeated: then there is no floor and no verdict.
 */
export function uniformityStatistics(
  sample: CellSample,
  noise: Noise | null,
  { design, seed, resamples, parts = new CellParts(seed), only, unjudged }: UniformityOptions,
): Record<StatisticName, Statistic> {
  const { totals } = sample;
  const measures = measuresFor(totals, only);
  const alone =
    totals.work.length === totals.models ? 'one cell has no other to be compared with' : undefined;
  const why = unjudged ?? alone;
  if (why !== undefined) return allUnknown(measures, why);
  const values = new Map(measures.map((measure) => [measure.name, measure.of(sample)]));
  const observed = { sample, measures, values };
  const stream = (part: number) => createRandom(deriveSeed(seed, part));
  const share = Math.min(1, mostCells / totals.work.length);
  const budget = drawBudget[share < 1 || only !== undefined ? 'part' : 'all'];
  const affordable = (draws: number) =>
    Math.max(1, Math.min(resamples, Math.floor(budget / Math.max(1, draws * share))));

  const noisy = noise !== null && (noise.sigma > 0 || noise.attribution !== null);
  const effects = noisy
    ? noiseEffects(observed, noise, {
        design,
        random: stream(1),
        resamples: affordable(drawsPerCall(totals)),
        parts,
        only,
      })
    : null;
  const clusters =
    design === 'sampled' && totals.work.length >= fewestClusters
      ? clusterIntervals(observed, {
          random: stream(2),
          resamples: affordable(totals.work.length),
          parts,
          only,
        })
      : null;

  const cautions = clusters === null ? {} : tailCaution(totals);

  const entries = measures.map((measure) => {
    const value = values.get(measure.name)!;
    if (!Number.isFinite(value)) return [measure.name, unknown(measure.undetermined)];
    const effect = noisy ? (effects!.get(measure.name) ?? null) : noise && exactly(measure);
    const baseless = measure.ofSquares && cautions.ofSquares !== undefined;
    const interval =
      design === 'fixed'
        ? effect && fixedDesignInterval(value, effect)
        : baseless
          ? null
          : withNoise(clusters?.get(measure.name) ?? null, value, effect, noise);
    const reasons = [
      ...(noise === null ? ['noise is not known, as no cell was repeated or a request did no work'] : []),
      ...(design === 'sampled' && clusters === null
        ? [`fewer than ${fewestClusters} cells cannot stand for a population`]
        : []),
      ...(baseless ? [cautions.ofSquares!] : []),
      ...(measure.extreme && share < 1 ? ['one of so many cells decides it'] : []),
    ];
    const ofSample = clusters === null ? undefined : sampleCaution(measure.name, totals.work.length);
    const caution = measure.ofSquares ? cautions.ofSquares : (cautions.all ?? ofSample);
    return [
      measure.name,
      {
        ...judged(measure, value, effect, interval, reasons.join('; ')),
        ...((interval !== null || baseless) && caution !== undefined && { caution }),
      },
    ];
  });
  const found = Object.fromEntries(entries) as Record<StatisticName, Statistic>;
  return found.misbilledShare?.verdict === 'negligible' ? allNegligible(found) : found;
}

/** No statistic names an unevenness of which too little is misbilled to be worth naming. */
function allNegligible(found: Record<StatisticName, Statistic>): Record<StatisticName, Statistic> {
  const entries = Object.entries(found).map(([name, statistic]) => [
    name,
    statistic.verdict === 'non-uniform' ? { ...statistic, verdict: 'negligible' } : statistic,
  ]);
  return Object.fromEntries(entries) as Record<StatisticName, Statistic>;
}

function allUnknown(measures: readonly Measure[], reason: string): Record<StatisticName, Statistic> {
  return Object.fromEntries(measures.map(({ name }) => [name, unknown(reason)])) as Record<
    StatisticName,
    Statistic
  >;
}

/** The effect of no noise on a statistic. */
function exactly({ uniform }: Measure): NoiseEffect {
  const floor = { mean: uniform, sd: 0, low: uniform, high: uniform };
  const error = { below: 0, above: 0 };
  return { floor, error, degreesOfFreedom: Number.POSITIVE_INFINITY, bias: 0, leastBias: 0, mostBias: 0 };
}

/** Noise of repetitions is in how far cells spread; what attribution errs in all cells together is not, and adds. */
function withNoise(
  interval: Interval | null,
  value: number,
  effect: NoiseEffect | null,
  noise: Noise | null,
): Interval | null {
  if (interval === null || effect === null) return interval;
  if (noise?.attribution == null)
    return { low: interval.low - effect.mostBias, high: interval.high - effect.leastBias };
  const noisy = fixedDesignInterval(value, { ...effect, leastBias: 0, mostBias: 0 });
  return {
    low: value - Math.hypot(value - interval.low, value - noisy.low) - effect.mostBias,
    high: value + Math.hypot(interval.high - value, noisy.high - value) - effect.leastBias,
  };
}

function judged(
  measure: Measure,
  observed: number,
  effect: NoiseEffect | null,
  interval: Interval | null,
  reason: string,
): Statistic {
  const bounded = (value: number) => withinRange(measure, value);
  const value = bounded(observed - (effect?.bias ?? 0));
  const verdict = effect === null ? null : verdictOn(measure, { observed, value }, effect.floor);
  // What noise alone would show may be nothing at all: the interval then reaches there.
  const nothing = verdict === 'not distinguishable' && measure.inflated;
  const unsaid = effect === null || interval === null;
  return {
    value,
    low: interval && Math.min(value, bounded(nothing ? measure.uniform : interval.low)),
    high: interval && Math.max(value, bounded(interval.high)),
    noiseFloor: effect?.floor.mean ?? null,
    verdict,
    ...(unsaid && { reason: reason || 'too few resamples determine it' }),
  };
}

/** Rounding of exact metrics is no finding. */
const rounding = 1e-9;

function verdictOn(
  { name, against }: Measure,
  { observed, value }: { observed: number; value: number },
  floor: ResampledValues,
): Verdict {
  const above = observed > floor.high + rounding;
  const below = observed < floor.low - rounding;
  const found = against === 'above' ? above : against === 'below' ? below : above || below;
  if (!found) return 'not distinguishable';
  return name === 'misbilledShare' && value < worthNaming ? 'negligible' : 'non-uniform';
}

/** No unevenness is below that of perfect proportion, and no share of variance above 1. */
function withinRange({ against, uniform }: Measure, value: number): number {
  if (against === 'above') return Math.max(uniform, value);
  return against === 'below' ? Math.min(uniform, value) : value;
}
