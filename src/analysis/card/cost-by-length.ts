import type { RequestTable } from '../requests/request-table.js';
import type { CellTotals } from '../uniformity/cell-totals.js';

/** Token counts from `from` to `to`, both included. */
export interface Band {
  from: number;
  to: number;
}

/** The cost of a billed token by the lengths of its request. */
export interface CostByLength {
  promptTokens: Band[];
  completionTokens: Band[];
  /** Work per billed token, a row for each prompt band; `null` where no request has such lengths. */
  perToken: (number | null)[][];
}

/** More lengths than this are put into bands. */
const mostValues = 8;
const bandCount = 5;

/**
 * Work per billed token over prompt and completion lengths, from the requests that differ in nothing else:
 * alone in their batch, nothing hidden or cached, and of the lengths that the design names where it names
 * them. `null` where fewer than two lengths were measured.
 */
export function costByLength(table: RequestTable, totals: CellTotals): CostByLength | null {
  const entries = comparableEntries(table, totals);
  const perRequest = (column: Float64Array) =>
    entries.map((c) => Math.round(column[c]! / totals.requests[c]!));
  const weights = entries.map((c) => totals.requests[c]!);
  const [prompts, completions] = [perRequest(totals.promptTokens), perRequest(totals.completionTokens)];
  const promptTokens = bandsOf(prompts, weights);
  const completionTokens = bandsOf(completions, weights);
  if (promptTokens.length * completionTokens.length < 2) return null;

  const sums = () => promptTokens.map(() => new Float64Array(completionTokens.length));
  const [work, tokens] = [sums(), sums()];
  for (const [k, c] of entries.entries()) {
    const row = bandAt(promptTokens, prompts[k]!);
    const column = bandAt(completionTokens, completions[k]!);
    work[row]![column]! += totals.work[c]!;
    tokens[row]![column]! += totals.tokens[c]!;
  }
  const perToken = work.map((row, i) =>
    Array.from(row, (value, j) => (tokens[i]![j] === 0 ? null : value / tokens[i]![j]!)),
  );
  return { promptTokens, completionTokens, perToken };
}

function comparableEntries(
  { cells, cell, hiddenTokens, cachedTokens }: RequestTable,
  totals: CellTotals,
): number[] {
  const other = new Set<number>();
  for (let i = 0; i < cell.length; i++) {
    if (hiddenTokens[i] !== 0 || cachedTokens[i] !== 0) other.add(cell[i]!);
  }
  const alone = Array.from(totals.cell.keys()).filter((c) => {
    const index = totals.cell[c]!;
    return !other.has(index) && (cells[index]!.factors.batch ?? 1) === 1;
  });
  const named = alone.filter((c) => typeof cells[totals.cell[c]!]!.factors.promptTokens === 'number');
  return named.length > 0 ? named : alone;
}

/** Each length its own band, or, of many, bands that hold about as many requests each. */
function bandsOf(lengths: readonly number[], weights: readonly number[]): Band[] {
  const counts = new Map<number, number>();
  for (const [k, length] of lengths.entries()) counts.set(length, (counts.get(length) ?? 0) + weights[k]!);
  const values = [...counts].sort(([a], [b]) => a - b);
  if (values.length <= mostValues) return values.map(([value]) => ({ from: value, to: value }));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const bands: Band[] = [];
  let [from, passed] = [values[0]![0], 0];
  for (const [index, [value, count]] of values.entries()) {
    passed += count;
    const isLast = index === values.length - 1;
    if (!isLast && passed < ((bands.length + 1) * total) / bandCount) continue;
    bands.push({ from, to: value });
    if (!isLast) from = values[index + 1]![0];
  }
  return bands;
}

function bandAt(bands: readonly Band[], length: number): number {
  return bands.findIndex(({ to }) => length <= to);
}

/** Work per billed token at a batch size, over that of the same request at the smallest one. */
export interface CostAtBatch {
  batch: number;
  /** Geometric mean over the requests that were run at both sizes. */
  ratio: number;
  /** How many of them there are. */
  cells: number;
}

/** Costs by rising batch size; empty where no two cells differ by it alone. */
export function costByBatch({ cells }: RequestTable, totals: CellTotals): CostAtBatch[] {
  const byRest = new Map<string, Map<number, number>>();
  for (let c = 0; c < totals.cell.length; c++) {
    const { model, factors } = cells[totals.cell[c]!]!;
    const { batch = 1, ...rest } = factors;
    if (typeof batch !== 'number' || totals.work[c] === 0) continue;
    const key = JSON.stringify([model, rest]);
    byRest.set(key, (byRest.get(key) ?? new Map()).set(batch, totals.work[c]! / totals.tokens[c]!));
  }
  const logs = new Map<number, number[]>();
  for (const rates of byRest.values()) {
    if (rates.size < 2) continue;
    const smallest = Math.min(...rates.keys());
    for (const [batch, rate] of rates) {
      logs.set(batch, [...(logs.get(batch) ?? []), Math.log(rate / rates.get(smallest)!)]);
    }
  }
  return [...logs]
    .sort(([a], [b]) => a - b)
    .map(([batch, values]) => ({
      batch,
      ratio: Math.exp(values.reduce((sum, value) => sum + value, 0) / values.length),
      cells: values.length,
    }));
}
