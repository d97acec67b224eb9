import type { Observations } from './observations.js';

/**
 * One metric's totals per cell over the requests that measured it: all that the statistics of fairness
 * need, however many requests there are. Cells without a measured request or a billed token are left out.
 */
export interface CellTotals {
  /** Which of the result's cells each entry is. */
  cell: Uint32Array;
  /** Which of the run's models, counted from 0 among those present. */
  model: Uint32Array;
  models: number;
  requests: Float64Array;
  work: Float64Array;
  /** Billed: prompt + completion. */
  tokens: Float64Array;
  promptTokens: Float64Array;
  completionTokens: Float64Array;
}

export function totalsOf(observations: Observations, work: Float64Array): CellTotals {
  const { cells, cell, promptTokens, completionTokens, modelOfCell } = observations;
  const sums = () => new Float64Array(cells.length);
  const [requests, works, prompts, completions] = [sums(), sums(), sums(), sums()];
  for (let i = 0; i < cell.length; i++) {
    const value = work[i]!;
    if (Number.isNaN(value)) continue;
    const c = cell[i]!;
    requests[c]!++;
    works[c]! += value;
    prompts[c]! += promptTokens[i]!;
    completions[c]! += completionTokens[i]!;
  }
  const entries = new Uint32Array(cells.length);
  let found = 0;
  for (let c = 0; c < cells.length; c++) {
    if (requests[c]! > 0 && prompts[c]! + completions[c]! > 0) entries[found++] = c;
  }
  const kept = entries.slice(0, found);
  const tokens = new Float64Array(found);
  const model = new Uint32Array(found);
  const position = new Map<number, number>();
  for (let k = 0; k < found; k++) {
    const c = kept[k]!;
    tokens[k] = prompts[c]! + completions[c]!;
    const own = modelOfCell[c]!;
    if (!position.has(own)) position.set(own, position.size);
    model[k] = position.get(own)!;
  }
  return {
    cell: kept,
    model,
    models: position.size,
    requests: pickNumbers(requests, kept),
    work: pickNumbers(works, kept),
    tokens,
    promptTokens: pickNumbers(prompts, kept),
    completionTokens: pickNumbers(completions, kept),
  };
}

/** The totals of some entries only, in the order of `entries`; models keep their numbers. */
export function pickCells(totals: CellTotals, entries: ArrayLike<number>): CellTotals {
  return {
    cell: pick(totals.cell, entries, new Uint32Array(entries.length)),
    model: pick(totals.model, entries, new Uint32Array(entries.length)),
    models: totals.models,
    requests: pickNumbers(totals.requests, entries),
    work: pickNumbers(totals.work, entries),
    tokens: pickNumbers(totals.tokens, entries),
    promptTokens: pickNumbers(totals.promptTokens, entries),
    completionTokens: pickNumbers(totals.completionTokens, entries),
  };
}

export function pickNumbers(column: Float64Array, entries: ArrayLike<number>): Float64Array {
  return pick(column, entries, new Float64Array(entries.length));
}

/** A loop, as `from` with a mapping is ten times slower, and thinning does this for every resample. */
function pick<Column extends Float64Array | Uint32Array>(
  column: Column,
  entries: ArrayLike<number>,
  picked: Column,
): Column {
  for (let k = 0; k < picked.length; k++) picked[k] = column[entries[k]!]!;
  return picked;
}
