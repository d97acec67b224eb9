import type { WorkMetric } from '../../core/metrics.js';
import { hoover } from '../../stats/concentration.js';
import { rankCorrelation } from '../../stats/rank.js';
import type { RequestTable } from '../requests/request-table.js';
import { sampleBuffer } from '../uniformity/cell-sample.js';
import { type CellTotals, pickCells, totalsOf } from '../uniformity/cell-totals.js';
import { fittedTariffs } from '../uniformity/tariff.js';
import type { Tariff } from '../uniformity/tariff-fit.js';

/** Whether what makes tokens dear on one machine makes them dear on the other. */
export interface ShapeComparison {
  /** Spearman's, of work per token over cells. 1: the order of the cells carries over. */
  rankCorrelation: number | null;
  /** Misbilled share of the candidate's work under each tariff fitted on the baseline's. */
  misbilledByBaselineTariff: Record<Tariff, number | null>;
  /** The same, were each cell billed what it cost on the baseline: what no price list could mend. */
  misbilledByBaselineCost: number;
}

/** `null` where fewer than two common cells measured the metric on both sides, or none did any work. */
export function compareShape(
  baseline: RequestTable,
  candidate: RequestTable,
  metric: WorkMetric,
): ShapeComparison | null {
  const [before, after] = commonTotals(baseline, candidate, metric);
  const worked = ({ work }: CellTotals) => work.some((value) => value > 0);
  if (before.work.length < 2 || !worked(before) || !worked(after)) return null;
  const perToken = ({ work, tokens }: CellTotals) => Array.from(work, (value, c) => value / tokens[c]!);
  const perRequest = before.work.map((value, c) => (value / before.requests[c]!) * after.requests[c]!);
  const sample = sampleBuffer(before).fill(before.work);
  return {
    rankCorrelation: rankCorrelation(perToken(before), perToken(after)),
    misbilledByBaselineTariff: Object.fromEntries(
      Object.entries(fittedTariffs(sample)).map(([tariff, fitted]) => {
        if (fitted === null) return [tariff, null];
        const { prices } = fitted;
        const bill = after.work.map((_, c) => {
          const { inputPerToken, outputPerToken, perRequest } = prices[before.model[c]!]!;
          return (
            inputPerToken * after.promptTokens[c]! +
            outputPerToken * after.completionTokens[c]! +
            perRequest * after.requests[c]!
          );
        });
        return [tariff, finite(hoover(after.work, bill))];
      }),
    ) as Record<Tariff, number | null>,
    misbilledByBaselineCost: hoover(after.work, perRequest),
  };
}

/** Both results' totals over the cells that each measured, in one order. */
function commonTotals(
  baseline: RequestTable,
  candidate: RequestTable,
  metric: WorkMetric,
): [CellTotals, CellTotals] {
  const [before, after] = [baseline, candidate].map((table) => totalsOf(table, table.metrics[metric])) as [
    CellTotals,
    CellTotals,
  ];
  const measuredAfter = new Set(after.cell);
  const shared = new Set([...before.cell].filter((cell) => measuredAfter.has(cell)));
  const common = (totals: CellTotals) =>
    Array.from(totals.cell.keys()).filter((c) => shared.has(totals.cell[c]!));
  return [pickCells(before, common(before)), pickCells(after, common(after))];
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
