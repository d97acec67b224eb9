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
  { cells }: RequestTable,
  { cell }: CellTotals,
  sample: CellSample,
  noise: Noise | null,
  count: number,
): CrossSubsidy[] {
  const { work, bill, rate } = sample;
  const total = sum(work);
  const errors = noise === null ? null : deviationErrors(sample, noise);
  const distance = new Float64Array(rate.length);
  for (let c = 0; c < rate.length; c++) {
    distance[c] = rate[c]! > 0 ? -Math.abs(Math.log(rate[c]!)) : Number.NEGATIVE_INFINITY;
  }
  const order = orderBy(distance);
  const level = 1 - 0.05 * Math.min(1, count / rate.length);
  return Array.from(order.subarray(0, count), (c) => {
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
  });
}
