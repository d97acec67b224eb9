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
  const kept = Uint32Array.from(cells.keys()).filter(
    (c) => requests[c]! > 0 && prompts[c]! + completions[c]! > 0,
  );
  const present = [...new Set(Array.from(kept, (c) => modelOfCell[c]!))];
  const position = new Map(present.map((model, index) => [model, index]));
  const pick = (column: Float64Array) => Float64Array.from(kept, (c) => column[c]!);
  return {
    cell: kept,
    model: Uint32Array.from(kept, (c) => position.get(modelOfCell[c]!)!),
    models: present.length,
    requests: pick(requests),
    work: pick(works),
    tokens: Float64Array.from(kept, (c) => prompts[c]! + completions[c]!),
    promptTokens: pick(prompts),
    completionTokens: pick(completions),
  };
}
