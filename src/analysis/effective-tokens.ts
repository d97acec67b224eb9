import type { PlainToken } from './plain-token.js';
import type { RequestTable } from './requests/request-table.js';
import { factorOf, ratioVariance } from './uniformity/cell-error.js';
import type { CellTotals } from './uniformity/cell-totals.js';
import type { Noise } from './uniformity/within-cell-noise.js';

/** The bill of a cell's request, were tokens work. */
export interface EffectiveTokens {
  cell: string;
  /** Billed tokens of its mean request. */
  billed: number;
  /**
   * Work of its mean request ÷ the model's plain token, with the 95% interval from the noise of the cell and of
   * the reference cell; `null` where that is not known, or leaves it open by more than a factor of ten.
   */
  effective: number;
  low: number | null;
  high: number | null;
}

/** Effective tokens of every cell whose model has a plain token, in the result's order. */
export function effectiveTokensOf(
  { cells }: RequestTable,
  totals: CellTotals,
  noise: Noise | null,
  plainToken: PlainToken,
): EffectiveTokens[] {
  const effective: EffectiveTokens[] = [];
  const entryOf = new Map(Array.from(totals.cell, (index, c) => [cells[index]!.id, c]));
  for (let c = 0; c < totals.cell.length; c++) {
    const { id, model } = cells[totals.cell[c]!]!;
    const plain = plainToken.byModel[model];
    if (plain === undefined) continue;
    const value = totals.work[c]! / totals.requests[c]! / plain.value;
    const reference = entryOf.get(plain.cell)!;
    const reach = noise === null ? null : factorOf(ratioVariance(noise, totals, c, reference));
    effective.push({
      cell: id,
      billed: totals.tokens[c]! / totals.requests[c]!,
      effective: value,
      low: reach === null ? null : value / reach,
      high: reach === null ? null : value * reach,
    });
  }
  return effective;
}
