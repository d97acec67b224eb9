import { orderBy } from '../../stats/concentration.js';
import { normal95 } from '../../stats/normal.js';
import { sum } from '../../stats/sum.js';
import type { RequestTable } from '../requests/request-table.js';
import type { CellSample } from './cell-sample.js';
import type { CellTotals } from './cell-totals.js';
import { deviationErrors } from './noise-bias.js';
import type { Noise } from './within-cell-noise.js';

/** A cell that pays another's work, or has its own paid. */
export interface CrossSubsidy {
  cell: string;
  /** Its bill over its cost: 0.31 pays 31% of what it costs, 2 pays double. `null` where it cost nothing. */
  paysTimesItsCost: number | null;
  /** 95% interval, from noise alone; `null` where noise is not known. */
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
  return Array.from(order.subarray(0, count), (c) => {
    const ratio = rate[c]! > 0 ? 1 / rate[c]! : null;
    const reach = ratio === null || errors === null ? null : Math.exp(normal95 * errors[c]!);
    return {
      cell: cells[cell[c]!]!.id,
      paysTimesItsCost: ratio,
      low: reach === null ? null : ratio! / reach,
      high: reach === null ? null : ratio! * reach,
      overpaidShare: (bill[c]! - work[c]!) / total,
    };
  });
}
