import { weightedQuantile } from '../../stats/weighted-quantile.js';
import type { CellSample } from './cell-sample.js';

/** Below this many cells p95 would be little else than the largest. */
export const fewestCellsForTails = 20;

/** Coefficient of variation of work per token over cells, each weighing as its requests. */
export function variationPerToken({ rate, weight }: CellSample): number {
  let [total, mean, squares] = [0, 0, 0];
  for (let c = 0; c < rate.length; c++) {
    total += weight[c]!;
    mean += weight[c]! * rate[c]!;
  }
  mean /= total;
  for (let c = 0; c < rate.length; c++) squares += weight[c]! * (rate[c]! - mean) ** 2;
  return Math.sqrt(squares / total) / mean;
}

/** The 95th percentile of work per token over the 5th, each cell weighing as its requests. `NaN` below 20 cells. */
export function tailsPerToken(sample: CellSample): number {
  const { rate, weight } = sample;
  if (rate.length < fewestCellsForTails) return Number.NaN;
  const size = sizeOf(sample);
  const at = (probability: number) => weightedQuantile(rate, weight, sample.order(), probability, size);
  return at(0.95) / at(0.05);
}

/** The largest work per token over the median. */
export function largestPerToken(sample: CellSample): number {
  const { rate, weight } = sample;
  const order = sample.order();
  let last = order.length - 1;
  while (last > 0 && weight[order[last]!] === 0) last--;
  return rate[order[last]!]! / weightedQuantile(rate, weight, order, 0.5, sizeOf(sample));
}

/** Kish's effective number of cells, a cell that a resample drew twice being two. */
function sizeOf({ weight, totals: { requests } }: CellSample): number {
  let [sum, squares] = [0, 0];
  for (let c = 0; c < weight.length; c++) {
    sum += weight[c]!;
    squares += weight[c]! * requests[c]!;
  }
  return sum ** 2 / squares;
}
