import { createRandom, deriveSeed } from '../stats/random.js';
import { type CellSample, sampleBuffer } from './cell-sample.js';
import type { CellTotals } from './cell-totals.js';
import { drawsPerCall } from './noise-draws.js';
import { fixedDesignInterval, type NoiseEffect, noiseEffects } from './noise-effects.js';
import type { Spread } from './resampling.js';
import { clusterIntervals, fewestClusters, type SampleInterval } from './sampled-workload.js';
import { absent, type Design, type Statistic, type Verdict } from './statistic.js';
import { type Measure, measuresFor, type StatisticName } from './uniformity-statistics.js';
import type { Noise } from './within-cell-noise.js';

export interface UniformityOptions {
  design: Design;
  seed: number;
  /** Bootstrap resamples at most; large workloads, whose statistics hardly spread, get fewer. */
  resamples: number;
}

/** Numbers that a bootstrap may draw per metric: a second or so. */
const drawBudget = 1_500_000;
/** The least that shows how far a statistic spreads; so few only where it hardly does. */
const fewestResamples = { noise: 16, clusters: 32 };

/**
 * Every statistic of "do tokens track work?" for one metric's cells, with intervals, noise floors and
 * verdicts. `noise` is `null` where nothing was repeated: then there is no floor and no verdict.
 */
export function uniformityStatistics(
  totals: CellTotals,
  noise: Noise | null,
  { design, seed, resamples }: UniformityOptions,
): Record<StatisticName, Statistic> {
  const measures = measuresFor(totals);
  if (totals.work.length === totals.models) return nothingToCompare(measures);
  const observed = sampleBuffer(totals).fill(totals.work);
  const affordable = (perResample: number, fewest: number) =>
    Math.max(fewest, Math.min(resamples, Math.floor(drawBudget / Math.max(1, perResample))));
  const stream = (part: number) => createRandom(deriveSeed(seed, part));

  const noisy = noise !== null && noise.sigma > 0;
  const effects = noisy
    ? noiseEffects(totals, noise, measures, {
        design,
        random: stream(1),
        resamples: affordable(drawsPerCall(totals), fewestResamples.noise),
      })
    : null;
  const clusters =
    design === 'sampled' && totals.work.length >= fewestClusters
      ? clusterIntervals(totals, measures, {
          random: stream(2),
          resamples: affordable(totals.work.length, fewestResamples.clusters),
        })
      : null;

  const entries = measures.map((measure) => {
    const effect = noise === null ? null : (effects?.get(measure) ?? exact(measure, observed, noisy));
    return [measure.name, statisticOf(measure, observed, effect, design, clusters?.get(measure) ?? null)];
  });
  return Object.fromEntries(entries) as Record<StatisticName, Statistic>;
}

function nothingToCompare(measures: readonly Measure[]): Record<StatisticName, Statistic> {
  const reason = 'one cell has no other to be compared with';
  return Object.fromEntries(measures.map(({ name }) => [name, absent(reason)])) as Record<
    StatisticName,
    Statistic
  >;
}

/** A metric without noise shows every statistic as it is. */
function exact(measure: Measure, observed: CellSample, noisy: boolean): NoiseEffect | null {
  if (noisy || Number.isNaN(measure.of(observed))) return null;
  const floor = { mean: measure.uniform, sd: 0, low: measure.uniform, high: measure.uniform };
  return { floor, error: { below: 0, above: 0 }, bias: 0, leastBias: 0, mostBias: 0 };
}

function statisticOf(
  measure: Measure,
  sample: CellSample,
  effect: NoiseEffect | null,
  design: Design,
  cluster: SampleInterval | null,
): Statistic {
  const observed = measure.of(sample);
  if (!Number.isFinite(observed)) return absent(measure.undetermined);
  const bounded = (value: number) => withinRange(measure, value);
  const verdict = effect === null ? null : verdictOn(measure, observed, effect.floor);
  const value = bounded(observed - (effect?.bias ?? 0));
  const statistic = { value, low: null, high: null, noiseFloor: effect?.floor.mean ?? null, verdict };
  const reasons: string[] = [];
  if (effect === null) reasons.push('no cell was repeated, so noise cannot be told from unevenness');

  const interval =
    design === 'fixed'
      ? effect && fixedDesignInterval(observed, effect)
      : cluster && {
          low: cluster.low - (effect?.mostBias ?? 0),
          high: cluster.high - (effect?.leastBias ?? 0),
        };
  if (interval === null) {
    if (design === 'sampled')
      reasons.push(`fewer than ${fewestClusters} cells cannot stand for a population`);
    return { ...statistic, reason: reasons.join('; ') };
  }
  // What noise alone would show may be nothing at all: the interval then reaches there.
  const reached = verdict === 'not distinguishable' && measure.inflated ? measure.uniform : interval.low;
  const low = Math.min(value, bounded(reached));
  const high = Math.max(value, bounded(interval.high));
  return { ...statistic, low, high, ...(reasons.length > 0 && { reason: reasons.join('; ') }) };
}

/** Rounding of exact metrics is no finding. */
const rounding = 1e-9;

function verdictOn({ against }: Measure, observed: number, floor: Spread): Verdict {
  const above = observed > floor.high + rounding;
  const below = observed < floor.low - rounding;
  const found = against === 'above' ? above : against === 'below' ? below : above || below;
  return found ? 'non-uniform' : 'not distinguishable';
}

/** No unevenness is below that of perfect proportion, and no share of variance above 1. */
function withinRange({ against, uniform }: Measure, value: number): number {
  if (against === 'above') return Math.max(uniform, value);
  return against === 'below' ? Math.min(uniform, value) : value;
}
