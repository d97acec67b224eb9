import { shapleyValues } from '../../stats/regression/shapley.js';
import { sum } from '../../stats/sum.js';
import type { RequestTable } from '../requests/request-table.js';
import type { Statistic } from '../statistic.js';
import { sampleBuffer } from '../uniformity/cell-sample.js';
import { type CellTotals, pickNumbers, totalsOf } from '../uniformity/cell-totals.js';
import { mostCells } from '../uniformity/thinning.js';
import { type UniformityOptions, uniformityStatistics } from '../uniformity/uniformity.js';
import type { Noise } from '../uniformity/within-cell-noise.js';
import type { StageColumn, StageColumns, StageWork } from './columns.js';

/** The misbilled share, taken apart. */
export interface Misbilling {
  byStage: StageMisbilling[];
  /**
   * What one price for all tokens adds, whatever stage they are billed for; with the stages' contributions
   * it sums to the misbilled share as observed. `null` where they are.
   */
  onePrice: number | null;
}

/** The effect of one stage on the misbilled share. */
interface StageMisbilling {
  stage: string;
  /** The misbilled share of the same requests without the stage's work. */
  without: Statistic;
  /**
   * Its part of the misbilled share. Below 0 for a stage that evens out what others misbill. `null` where
   * there are too many stages and cells for that.
   */
  contribution: number | null;
}

/** How a misbilled share is judged. */
interface Judging {
  noiseOf: (totals: CellTotals, work: Float64Array) => Noise | null;
  options: UniformityOptions;
}

/** Coalitions of stages times cells: about a second. */
const mostAdditions = 1e8;
const mostStages = 14;

/** Fewer resamples than for the headline, as this is asked once per stage and metric; few of many cells. */
const mostResamples = 400;
const resamplesOfParts = 24;

/**
 * The misbilled share with each stage left out, judged like the whole one. A metric in which a stage was
 * not measured has none: its works do not add up.
 */
export function stageMisbilling(
  table: RequestTable,
  { stages }: StageColumns,
  works: readonly StageWork[],
  { work, noiseOf, options }: Judging & { work: Float64Array },
): Misbilling {
  const parts = contributions(table, stages, works, work);
  const rest = new Float64Array(work.length);
  const byStage = stages.map(({ name }, s) => {
    const own = works[s]!.work;
    for (let i = 0; i < rest.length; i++) {
      const left = work[i]! - own[i]!;
      // What rounding leaves of a stage that is all there is, is no work.
      rest[i] = left > 1e-9 * work[i]! ? left : 0;
    }
    const without = withoutStage(totalsOf(table, rest), rest, { noiseOf, options });
    return { stage: name, without, contribution: parts?.[s] ?? null };
  });
  return { byStage, onePrice: parts?.at(-1) ?? null };
}

function withoutStage(totals: CellTotals, rest: Float64Array, { noiseOf, options }: Judging): Statistic {
  const nothing = { value: null, low: null, high: null, noiseFloor: null, verdict: null };
  if (totals.work.every((value) => value === 0)) return { ...nothing, reason: 'no other stage did any work' };
  const noise = noiseOf(totals, rest);
  const most = totals.work.length > mostCells ? resamplesOfParts : mostResamples;
  const resamples = Math.min(most, options.resamples);
  const sample = sampleBuffer(totals).fill(totals.work);
  return uniformityStatistics(sample, noise, { ...options, resamples, only: 'misbilledShare' })
    .misbilledShare;
}

/**
 * Shapley values over v(S) = ½ Σc |Σ_{s ∈ S} d_sc|, the misbilled share if only the players of S depart
 * from what they are billed: it is 0 with none, and the misbilled share with all. A stage departs by d_sc =
 * (w_sc − its fair share of the stage's work) ÷ ΣW, fair being as the tokens billed for it, or, for a stage
 * that bills none, as the whole bill. What is left of a cell's deviation is the last player: one price for
 * tokens whose stages cost more and less.
 */
function contributions(
  table: RequestTable,
  stages: readonly StageColumn[],
  works: readonly StageWork[],
  work: Float64Array,
): number[] | null {
  const whole = totalsOf(table, work);
  if (works.length > mostStages || 2 ** (works.length + 1) * whole.tokens.length > mostAdditions) return null;
  const total = sum(whole.work);
  const deviation = (own: Float64Array, bill: Float64Array) => {
    const price = new Float64Array(whole.models);
    const [worked, billed] = [new Float64Array(whole.models), new Float64Array(whole.models)];
    for (let k = 0; k < own.length; k++) {
      worked[whole.model[k]!]! += own[k]!;
      billed[whole.model[k]!]! += bill[k]!;
    }
    for (let model = 0; model < price.length; model++) {
      price[model] = billed[model] === 0 ? 0 : worked[model]! / billed[model]!;
    }
    return own.map((value, k) => (value - bill[k]! * price[whole.model[k]!]!) / total);
  };
  const byCell = (column: Float64Array) => {
    const cells = new Float64Array(table.cells.length);
    for (let i = 0; i < work.length; i++) {
      if (!Number.isNaN(work[i]!)) cells[table.cell[i]!]! += column[i]!;
    }
    return pickNumbers(cells, whole.cell);
  };
  const players = works.map((own, s) => {
    const bill = byCell(stages[s]!.fresh);
    const cached = byCell(stages[s]!.cached);
    for (let k = 0; k < bill.length; k++) bill[k]! += cached[k]!;
    return deviation(byCell(own.work), bill.some((value) => value > 0) ? bill : whole.tokens);
  });
  const onePrice = deviation(whole.work, whole.tokens);
  for (const player of players) for (let k = 0; k < onePrice.length; k++) onePrice[k]! -= player[k]!;
  players.push(onePrice);

  const worths = halfDeviations(players);
  return shapleyValues(players.length, (coalition) => worths[coalition]!);
}

/**
 * ½ Σc |Σ_{s ∈ S} d_sc| of every coalition S, by its bit mask. Cell by cell, as all coalitions' sums of one cell
 * cost an addition each.
 */
function halfDeviations(players: readonly Float64Array[]): Float64Array {
  const joint = new Float64Array(2 ** players.length);
  const halves = new Float64Array(joint.length);
  for (let c = 0; c < players[0]!.length; c++) {
    for (let player = 0; player < players.length; player++) {
      const own = players[player]![c]!;
      const others = 1 << player;
      for (let coalition = 0; coalition < others; coalition++) {
        joint[others + coalition] = joint[coalition]! + own;
      }
    }
    for (let coalition = 0; coalition < joint.length; coalition++) {
      halves[coalition]! += Math.abs(joint[coalition]!) / 2;
    }
  }
  return halves;
}
