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

/** The 95th percentile of work per token over the 5th. `NaN` below 20 cells. */
export function tailsPerToken(sample: CellSample): number {
  const { rate, weight } = sample;
  if (rate.length < fewestCellsForTails) return Number.NaN;
  const at = (probability: number) => weightedQuantile(rate, weight, sample.order(), probability);
  return at(0.95) / at(0.05);
}

/** The largest work per token over the median. */
export function largestPerToken(sample: CellSample): number {
  const { rate, weight } = sample;
  const order = sample.order();
  const at = (probability: number) => weightedQuantile(rate, weight, order, probability);
  return at(1) / at(0.5);
}
