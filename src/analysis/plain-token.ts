import { reachOf } from '../stats/combined-variance.js';
import type { RequestTable } from './requests/request-table.js';
import { absoluteVariance } from './uniformity/cell-error.js';
import type { CellTotals } from './uniformity/cell-totals.js';
import type { Noise } from './uniformity/within-cell-noise.js';

/** The reference request: this many prompt and as many completion tokens, nothing hidden, nothing cached. */
const referenceTokens = 128;

export interface PlainToken {
  /** Work per billed token of the reference request; `null` with a `reason`. */
  value: number | null;
  unit: string;
  low: number | null;
  high: number | null;
  /** The reference cell. */
  cell: string | null;
  /** Each model has a plain token of its own; `value` is the only model's, or null where there are several. */
  byModel: Record<string, { value: number; low: number | null; high: number | null; cell: string }>;
  reason?: string;
}

/** Work per billed token of the reference cell, for each model whose run has one. */
export function plainTokenOf(
  table: RequestTable,
  reference: ReadonlySet<number>,
  totals: CellTotals,
  noise: Noise | null,
  unit: string,
): PlainToken {
  const { cells } = table;
  const byModel: PlainToken['byModel'] = Object.create(null);
  for (let c = 0; c < totals.cell.length; c++) {
    const { id, model } = cells[totals.cell[c]!]!;
    if (!reference.has(totals.cell[c]!) || byModel[model] !== undefined || totals.work[c] === 0) continue;
    const value = totals.work[c]! / totals.tokens[c]!;
    const reach = noise === null ? null : Math.exp(reachOf(absoluteVariance(noise, totals, c)));
    byModel[model] = {
      value,
      low: reach === null ? null : value / reach,
      high: reach === null ? null : value * reach,
      cell: id,
    };
  }
  const found = Object.values(byModel);
  if (found.length === 1 && table.models.length === 1) return { ...found[0]!, unit, byModel };
  const reason =
    found.length > 0
      ? 'several models, each with a plain token of its own: see byModel'
      : `no cell of ${referenceTokens} + ${referenceTokens} tokens without cached or hidden ones was measured`;
  return { value: null, unit, low: null, high: null, cell: null, byModel, reason };
}

/** The cells all of whose requests are reference requests, alone in their batch. */
export function referenceCells(table: RequestTable): Set<number> {
  const { cells, cell, promptTokens, completionTokens, cachedTokens, hiddenTokens, stages } = table;
  const isPlain = stages.kinds.map(({ type, name }) => plainStages.has(type ?? name));
  const plain = new Set<number>();
  const other = new Set<number>();
  for (let i = 0; i < table.size; i++) {
    const matches =
      promptTokens[i] === referenceTokens &&
      completionTokens[i] === referenceTokens &&
      cachedTokens[i] === 0 &&
      hiddenTokens[i] === 0 &&
      stages.stage.subarray(stages.first[i], stages.first[i + 1]).every((kind) => isPlain[kind]) &&
      (cells[cell[i]!]!.factors.batch ?? 1) === 1;
    (matches ? plain : other).add(cell[i]!);
  }
  return new Set([...plain].filter((index) => !other.has(index)));
}

/** Not every hidden stage evaluates a position: a lexical filter or a vector search does not. */
const plainStages = new Set(['tokenization', 'cache', 'prefill', 'decode', 'detokenization']);
