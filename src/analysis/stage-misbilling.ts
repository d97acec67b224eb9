import { shapleyValues } from '../stats/shapley.js';
import type { CellTotals } from './cell-totals.js';
import { totalsOf } from './cell-totals.js';
import type { Observations } from './observations.js';
import type { StageColumns, StageWork } from './stage-columns.js';
import type { Statistic } from './statistic.js';
import { type UniformityOptions, uniformityStatistics } from './uniformity.js';
import type { Noise } from './within-cell-noise.js';

/** What one stage does to the misbilled share. */
export interface StageMisbilling {
  stage: string;
  /** The misbilled share of the same requests without the stage's work. */
  without: Statistic;
  /**
   * Its part of the misbilled share as observed: the stages' parts add up to it. Below 0 for a stage that
   * evens out what others misbill. `null` for more than ten stages.
   */
  contribution: number | null;
}

/** 2¹⁰ coalitions are exact and quick. */
const mostStages = 10;

/** Fewer resamples than for the headline, as this is asked once per stage and metric. */
const mostResamples = 400;

/**
 * The misbilled share with each stage left out, judged like the whole one. A metric in which a stage was
 * not measured has none: its works do not add up.
 */
export function stageMisbilling(
  observations: Observations,
  { stages }: StageColumns,
  works: readonly StageWork[],
  work: Float64Array,
  noiseOf: (totals: CellTotals, work: Float64Array) => Noise | null,
  options: UniformityOptions,
): StageMisbilling[] {
  const parts = contributions(observations, works, work);
  return stages.map(({ name }, s) => {
    // What rounding leaves of a stage that is all there is, is no work.
    const rest = work.map((value, i) => {
      const left = value - works[s]!.work[i]!;
      return left > 1e-9 * value ? left : 0;
    });
    const totals = totalsOf(observations, rest);
    return {
      stage: name,
      without: withoutStage(totals, rest, noiseOf, options),
      contribution: parts?.[s] ?? null,
    };
  });
}

function withoutStage(
  totals: CellTotals,
  rest: Float64Array,
  noiseOf: (totals: CellTotals, work: Float64Array) => Noise | null,
  options: UniformityOptions,
): Statistic {
  const nothing = { value: null, low: null, high: null, noiseFloor: null, verdict: null };
  if (totals.work.every((value) => value === 0)) return { ...nothing, reason: 'no other stage did any work' };
  const noise = noiseOf(totals, rest);
  const resamples = Math.min(mostResamples, options.resamples);
  return uniformityStatistics(totals, noise, { ...options, resamples, only: 'misbilledShare' })
    .misbilledShare;
}

/**
 * Shapley values of the stages over v(S) = ½ Σc |Σ_{s ∈ S} d_sc|, where d_sc = (w_sc − its fair share of
 * the stage's work) ÷ ΣW: the misbilled share if only the stages of S cost what they cost, and all others
 * were spread as the bill is. With all stages that is the misbilled share, with none it is 0. What stands
 * in no stage is a player whose part is not reported.
 */
function contributions(
  observations: Observations,
  works: readonly StageWork[],
  work: Float64Array,
): number[] | null {
  if (works.length > mostStages) return null;
  const whole = totalsOf(observations, work);
  const total = sum(whole.work);
  const billed = new Float64Array(whole.models);
  for (let c = 0; c < whole.tokens.length; c++) billed[whole.model[c]!]! += whole.tokens[c]!;
  const rest = work.map((value, i) => value - works.reduce((staged, own) => staged + own.work[i]!, 0));
  const players = [...works.map((own) => own.work), rest].map((own) => deviations(observations, own));

  function deviations({ cell, cells }: Observations, own: Float64Array): Float64Array {
    const byCell = new Float64Array(cells.length);
    for (let i = 0; i < cell.length; i++) if (!Number.isNaN(work[i]!)) byCell[cell[i]!]! += own[i]!;
    const worked = new Float64Array(whole.models);
    for (let k = 0; k < whole.cell.length; k++) worked[whole.model[k]!]! += byCell[whole.cell[k]!]!;
    return whole.tokens.map((tokens, k) => {
      const model = whole.model[k]!;
      return (byCell[whole.cell[k]!]! - (worked[model]! * tokens) / billed[model]!) / total;
    });
  }

  const deviation = new Float64Array(whole.tokens.length);
  return shapleyValues(players.length, (coalition) => {
    deviation.fill(0);
    for (const [player, own] of players.entries()) {
      if ((coalition & (1 << player)) === 0) continue;
      for (let c = 0; c < own.length; c++) deviation[c]! += own[c]!;
    }
    return deviation.reduce((half, value) => half + Math.abs(value) / 2, 0);
  }).slice(0, works.length);
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
