import { worthNaming } from '../../core/verdict.js';
import { orderBy } from '../../stats/concentration.js';
import { sum } from '../../stats/sum.js';
import type { RequestTable } from '../requests/request-table.js';
import { factorOf } from './cell-error.js';
import type { CellSample } from './cell-sample.js';
import type { CellTotals } from './cell-totals.js';
import { deviationErrors } from './noise-bias.js';
import type { Noise } from './within-cell-noise.js';

/** A cell that pays another's work, or has its own paid. */
export interface CrossSubsidy {
  cell: string;
  /** Its bill over its cost: 0.31 pays 31% of what it costs, 2 pays double. `null` where it cost nothing. */
  paysTimesItsCost: number | null;
  /**
   * Interval from noise alone; `null` where noise is not known, or leaves it open
   * by more than a factor of ten. At 1 − 5%·k/m for k cells listed of m, so that
   * of intervals of cells that were chosen for standing out 95% hold (Benjamini & Yekutieli 2005).
   */
  low: number | null;
  high: number | null;
  /** Share of the whole bill that it pays too much (positive) or too little. */
  overpaidShare: number;
}

/** The cells farthest from paying what they cost, by ratio, the farthest first. */
export function worstCells(
  table: RequestTable,
  totals: CellTotals,
  sample: CellSample,
  noise: Noise | null,
  count: number,
): CrossSubsidy[] {
  const { rate } = sample;
  const distance = new Float64Array(rate.length);
  for (let c = 0; c < rate.length; c++) {
    distance[c] = rate[c]! > 0 ? -Math.abs(Math.log(rate[c]!)) : Number.NEGATIVE_INFINITY;
  }
  const subsidyOf = subsidies(table, totals, sample, noise, count);
  return Array.from(orderBy(distance).subarray(0, count), subsidyOf);
}

/** The cell that pays most above its cost, and the one most below. */
export interface Extremes {
  /** `null` where none does by 1%, or noise leaves open that it does. */
  overpays: CrossSubsidy | null;
  underpays: CrossSubsidy | null;
}

/** The two cells at the ends of what cells pay for what they cost. */
export function extremesOf(
  table: RequestTable,
  totals: CellTotals,
  sample: CellSample,
  noise: Noise | null,
): Extremes {
  const { rate } = sample;
  let [cheapest, dearest] = [-1, -1];
  for (let c = 0; c < rate.length; c++) {
    if (!(rate[c]! > 0)) continue;
    if (cheapest < 0 || rate[c]! < rate[cheapest]!) cheapest = c;
    if (dearest < 0 || rate[c]! > rate[dearest]!) dearest = c;
  }
  if (cheapest < 0) return { overpays: null, underpays: null };
  const subsidyOf = subsidies(table, totals, sample, noise, 2);
  const [over, under] = [subsidyOf(cheapest), subsidyOf(dearest)];
  const open = noise !== null;
  return {
    overpays: over.paysTimesItsCost! >= 1 + worthNaming && (!open || (over.low ?? 0) > 1) ? over : null,
    underpays: under.paysTimesItsCost! <= 1 - worthNaming && (!open || (under.high ?? 2) < 1) ? under : null,
  };
}

/** What a cell pays, with the interval of one of `count` that were chosen for standing out. */
function subsidies(
  { cells }: RequestTable,
  { cell }: CellTotals,
  sample: CellSample,
  noise: Noise | null,
  count: number,
): (c: number) => CrossSubsidy {
  const { work, bill, rate } = sample;
  const total = sum(work);
  const errors = noise === null ? null : deviationErrors(sample, noise);
  const level = 1 - 0.05 * Math.min(1, count / rate.length);
  return (c) => {
    const ratio = rate[c]! > 0 ? 1 / rate[c]! : null;
    const reach =
      ratio === null || noise === null
        ? null
        : factorOf({ variance: Math.log1p(errors![c]! ** 2), freedom: noise.cellFreedom[c]! }, level);
    return {
      cell: cells[cell[c]!]!.id,
      paysTimesItsCost: ratio,
      low: reach === null ? null : ratio! / reach,
      high: reach === null ? null : ratio! * reach,
      overpaidShare: (bill[c]! - work[c]!) / total,
    };
  };
}
