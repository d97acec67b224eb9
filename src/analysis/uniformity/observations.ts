import { unlistedCell } from '../../core/consistency.js';
import type { WorkMetric } from '../../core/metrics.js';
import { type Cell, isOk, type OkRequest, type Result } from '../../core/result.js';
import { type BilledCells, billedCells } from './cell-totals.js';

/** The successful requests of a result as columns, so that a million of them cost bytes and not objects. */
export interface Observations {
  cells: readonly Cell[];
  models: readonly string[];
  /** Per cell, the index of its model. */
  modelOfCell: Uint32Array;
  /** Per request, the index of its cell. */
  cell: Uint32Array;
  /** Per request, the repetition round it ran in, from 0. */
  round: Uint32Array;
  rounds: number;
  promptTokens: Float64Array;
  completionTokens: Float64Array;
  /** The cells over all of them. */
  billed: BilledCells;
  /** The rows themselves, in the columns' order. */
  rows: readonly OkRequest[];
  failed: number;
}

/** Throws TokenworkError `inconsistent-result` where a request names a cell that the result has not. */
export function observe(result: Result): Observations {
  const indexOfCell = new Map(result.cells.map((cell, index) => [cell.id, index]));
  const models = [...new Set(result.cells.map(({ model }) => model))];
  const rows = result.requests.filter(isOk);
  const cell = new Uint32Array(rows.length);
  const promptTokens = new Float64Array(rows.length);
  const completionTokens = new Float64Array(rows.length);
  const largestRepetition = new Float64Array(result.cells.length);
  for (const [i, row] of rows.entries()) {
    const index = indexOfCell.get(row.cell);
    if (index === undefined) throw unlistedCell(row.id, row.cell);
    cell[i] = index;
    promptTokens[i] = row.tokens.prompt;
    completionTokens[i] = row.tokens.completion;
    largestRepetition[index] = Math.max(largestRepetition[index]!, row.repetition);
  }
  // Repetitions count a cell's requests; a trace's cell has several of them in each round.
  const planned = Math.max(1, result.run.repetitions);
  const perRound = largestRepetition.map((largest) => Math.ceil((largest + 1) / planned));
  const round = new Uint32Array(rows.length);
  let rounds = 0;
  for (let i = 0; i < rows.length; i++) {
    round[i] = Math.floor(rows[i]!.repetition / perRound[cell[i]!]!);
    rounds = Math.max(rounds, round[i]! + 1);
  }
  const modelOfCell = Uint32Array.from(result.cells, ({ model }) => models.indexOf(model));
  return {
    cells: result.cells,
    models,
    modelOfCell,
    cell,
    round,
    rounds,
    promptTokens,
    completionTokens,
    billed: billedCells({ cells: result.cells, cell, promptTokens, completionTokens, modelOfCell }),
    rows,
    failed: result.requests.length - rows.length,
  };
}

/** A metric's value per request, `NaN` where it was not measured; in `column` where there is one to fill anew. */
export function workColumn(
  { rows }: Observations,
  metric: WorkMetric,
  column: Float64Array = new Float64Array(rows.length),
): Float64Array {
  for (let i = 0; i < rows.length; i++) column[i] = rows[i]!.work[metric] ?? Number.NaN;
  return column;
}
