import { isOk, type Result } from '../core/result.js';
import { median, medianAbsoluteDeviation } from '../stats/quantile.js';
import { type CellSummary, perBilledToken } from './cell-summary.js';
import { absent, type Figure, present } from './figure.js';

/** The distance between the cells of one model in CPU time per billed token; `ns` are those times. */
interface CostSpread {
  model: string;
  cells: number;
  cheapest: { cell: string; ns: number };
  dearest: { cell: string; ns: number };
  medianNs: number;
  /** Dearest over cheapest. */
  ratio: number;
}

export type SpreadOrReason =
  | CostSpread
  | { model: string; ratio: null; reason: 'single-cell' | 'zero-cost' | 'not-measured' };

/** The spread over the cells of each model, in the order models first appear. */
export function spreadByModel(summaries: readonly CellSummary[]): SpreadOrReason[] {
  const models = [...new Set(summaries.map(({ cell }) => cell.model))];
  return models.map((model) =>
    spreadOf(
      model,
      summaries.filter(({ cell }) => cell.model === model),
    ),
  );
}

function spreadOf(model: string, summaries: readonly CellSummary[]): SpreadOrReason {
  const costs = summaries
    .flatMap(
      ({
        cell,
        perBilledToken: {
          cpuTime: { value },
        },
      }) => (value === null ? [] : [{ cell: cell.id, ns: value }]),
    )
    .sort((a, b) => a.ns - b.ns);
  const [cheapest, dearest] = [costs.at(0), costs.at(-1)];
  if (cheapest === undefined || dearest === undefined) return { model, ratio: null, reason: 'not-measured' };
  if (costs.length === 1) return { model, ratio: null, reason: 'single-cell' };
  if (cheapest.ns === 0) return { model, ratio: null, reason: 'zero-cost' };
  const medianNs = median(costs.map(({ ns }) => ns))!;
  return { model, cells: costs.length, cheapest, dearest, medianNs, ratio: dearest.ns / cheapest.ns };
}

/** σ of a normal distribution over its median absolute deviation, 1/Φ⁻¹(¾). */
const sigmaPerDeviation = 1.4826;

/**
 * How much repetitions of one cell differ: the standard deviation of CPU time per billed token over its median,
 * of cells with at least three successful requests; the median over those cells. The deviation is the median
 * absolute one, scaled to σ of a normal distribution, so that one stray repetition does not decide it.
 */
export function repetitionNoise(result: Result): Figure {
  const byCell = new Map<string, number[]>();
  for (const request of result.requests) {
    if (!isOk(request)) continue;
    const { value } = perBilledToken(result, request, 'cpuTime');
    if (value !== null) byCell.set(request.cell, [...(byCell.get(request.cell) ?? []), value]);
  }
  const deviations = [...byCell.values()].flatMap((values) => {
    const middle = median(values)!;
    return values.length < 3 || middle === 0
      ? []
      : [(sigmaPerDeviation * medianAbsoluteDeviation(values)!) / middle];
  });
  const noise = median(deviations);
  return noise === null ? absent('too-short') : present(noise);
}
