import type { RequestTable } from '../requests/request-table.js';

/** All that the statistics of fairness ask of one metric's cells, however many requests there are. */
export interface CellFigures {
  /** Which of the run's models, counted from 0 among those present. */
  model: Uint32Array;
  models: number;
  requests: Float64Array;
  work: Float64Array;
  /** Billed: prompt + completion. */
  tokens: Float64Array;
  /** Those of the mean request, and the logarithm of all its tokens. */
  promptPerRequest: Float64Array;
  completionPerRequest: Float64Array;
  logTokensPerRequest: Float64Array;
}

/**
 * One metric's totals per cell over the requests that measured it. Cells without a measured request or a
 * billed token are left out.
 */
export interface CellTotals extends CellFigures {
  /** Which of the result's cells each entry is. */
  cell: Uint32Array;
  promptTokens: Float64Array;
  completionTokens: Float64Array;
}

/** The cells without any metric's work, which metrics that all requests measured have in common. */
type BilledCells = Omit<CellTotals, 'work'>;

/** The cells over all requests, by table: their identity tells metrics that all requests measured. */
const billedOf = new WeakMap<RequestTable, BilledCells>();

/** `work` is per request, `NaN` where it was not measured. */
export function totalsOf(table: RequestTable, work: Float64Array): CellTotals {
  const { cells, cell } = table;
  const works = new Float64Array(cells.length);
  let complete = true;
  for (let i = 0; i < work.length; i++) {
    if (Number.isNaN(work[i]!)) complete = false;
    else works[cell[i]!]! += work[i]!;
  }
  const own = complete ? allBilled(table) : billedCells(table, work);
  return { ...own, work: own.cell.length === cells.length ? works : pickNumbers(works, own.cell) };
}

function allBilled(table: RequestTable): BilledCells {
  const billed = billedOf.get(table) ?? billedCells(table);
  billedOf.set(table, billed);
  return billed;
}

/** The cells over all requests, or over those whose `work` is a number. */
function billedCells(
  { cells, cell, promptTokens, completionTokens, modelOfCell }: RequestTable,
  work?: Float64Array,
): BilledCells {
  const sums = () => new Float64Array(cells.length);
  const [requests, prompts, completions] = [sums(), sums(), sums()];
  for (let i = 0; i < cell.length; i++) {
    if (work !== undefined && Number.isNaN(work[i]!)) continue;
    const c = cell[i]!;
    requests[c]!++;
    prompts[c]! += promptTokens[i]!;
    completions[c]! += completionTokens[i]!;
  }
  const entries = new Uint32Array(cells.length);
  let found = 0;
  for (let c = 0; c < cells.length; c++) {
    if (requests[c]! > 0 && prompts[c]! + completions[c]! > 0) entries[found++] = c;
  }
  const kept = entries.slice(0, found);
  const column = () => new Float64Array(found);
  const [tokens, logTokensPerRequest] = [column(), column()];
  const [promptPerRequest, completionPerRequest] = [column(), column()];
  const model = new Uint32Array(found);
  const position = new Map<number, number>();
  for (let k = 0; k < found; k++) {
    const c = kept[k]!;
    tokens[k] = prompts[c]! + completions[c]!;
    promptPerRequest[k] = prompts[c]! / requests[c]!;
    completionPerRequest[k] = completions[c]! / requests[c]!;
    logTokensPerRequest[k] = Math.log(tokens[k]! / requests[c]!);
    const own = modelOfCell[c]!;
    if (!position.has(own)) position.set(own, position.size);
    model[k] = position.get(own)!;
  }
  return {
    cell: kept,
    model,
    models: position.size,
    requests: pickNumbers(requests, kept),
    tokens,
    promptTokens: pickNumbers(prompts, kept),
    completionTokens: pickNumbers(completions, kept),
    promptPerRequest,
    completionPerRequest,
    logTokensPerRequest,
  };
}

/** The totals of some entries only, in the order of `entries`; models keep their numbers. */
export function pickCells(totals: CellTotals, entries: readonly number[]): CellTotals {
  const numbers = (name: keyof CellTotals) => pickNumbers(totals[name] as Float64Array, entries);
  return {
    cell: Uint32Array.from(entries, (c) => totals.cell[c]!),
    model: Uint32Array.from(entries, (c) => totals.model[c]!),
    models: totals.models,
    requests: numbers('requests'),
    work: numbers('work'),
    tokens: numbers('tokens'),
    promptTokens: numbers('promptTokens'),
    completionTokens: numbers('completionTokens'),
    promptPerRequest: numbers('promptPerRequest'),
    completionPerRequest: numbers('completionPerRequest'),
    logTokensPerRequest: numbers('logTokensPerRequest'),
  };
}

/** A loop, as `from` with a mapping is ten times slower. */
export function pickNumbers(column: Float64Array, entries: ArrayLike<number>): Float64Array {
  const picked = new Float64Array(entries.length);
  for (let k = 0; k < picked.length; k++) picked[k] = column[entries[k]!]!;
  return picked;
}
