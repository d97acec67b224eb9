import type { RequestTable } from '../requests/request-table.js';
import type { CellTotals } from './cell-totals.js';

/** A factor of the design that varies over the cells. */
export interface Factor {
  name: string;
  levels: number;
  /** One value per cell: a number, or a category by its number. */
  values: Float64Array;
  numeric: boolean;
}

/**
 * The varying factors over a run's cells: those the cells name, and the prompt and completion lengths,
 * which are measured where a cell does not name them (a text's length is known to the tokenizer only).
 * Factors that no regression can tell apart are one, under all their names.
 */
export function factorsOf(table: RequestTable): Factor[] {
  const { cells } = table;
  const measured: Record<string, Float64Array> = {
    promptTokens: meanByCell(table, table.promptTokens),
    completionTokens: meanByCell(table, table.completionTokens),
  };
  const names = new Set(Object.keys(measured));
  for (const cell of cells) for (const name of Object.keys(cell.factors)) names.add(name);
  const seen = new Uint8Array(cells.length);
  for (const c of table.cell) seen[c] = 1;
  const factors = [...names].map((name) => {
    const named = cells.map(({ factors }, c) => factors[name] ?? measured[name]?.[c] ?? none);
    return factorFrom(name, named);
  });
  return mergeAliases(
    factors.map((factor) => among(factor, seen)).filter(({ levels }) => levels > 1),
    seen,
  );
}

/** A factor over the cells of one metric only. */
export function factorAmong({ name, numeric, values }: Factor, totals: CellTotals): Factor {
  const own = new Float64Array(totals.cell.length);
  for (let k = 0; k < own.length; k++) own[k] = values[totals.cell[k]!]!;
  return { name, numeric, values: own, levels: new Set(own).size };
}

/** Level of a cell without a value of a factor that others have. */
const none = '(none)';

function factorFrom(name: string, values: readonly (number | string | boolean)[]): Factor {
  const numeric = values.every((value) => typeof value === 'number');
  const codes = new Map<number | string | boolean, number>();
  const encoded = new Float64Array(values.length);
  for (const [c, value] of values.entries()) {
    if (!codes.has(value)) codes.set(value, codes.size);
    encoded[c] = numeric ? (value as number) : codes.get(value)!;
  }
  return { name, numeric, values: encoded, levels: codes.size };
}

/** With the levels of the cells that were seen. */
function among(factor: Factor, seen: Uint8Array): Factor {
  return { ...factor, levels: new Set(factor.values.filter((_, c) => seen[c] === 1)).size };
}

/** Two names for one split, as `language` and `promptKind` may be, would share its credit. */
function mergeAliases(factors: readonly Factor[], seen: Uint8Array): Factor[] {
  const merged: Factor[] = [];
  for (const factor of factors) {
    const twin = merged.findIndex((other) => areAliases(other, factor, seen));
    if (twin < 0) merged.push(factor);
    else merged[twin] = { ...merged[twin]!, name: `${merged[twin]!.name} = ${factor.name}` };
  }
  return merged;
}

/**
 * Whether no regression can tell two factors apart: they split the cells alike and, where one is a number of
 * three values or more, one is a linear function of the other. Splitting alike is not enough for numbers:
 * where every cell has lengths of its own, all lengths do.
 */
function areAliases(a: Factor, b: Factor, seen: Uint8Array): boolean {
  if (a.levels !== b.levels || !sameSplit(a, b, seen)) return false;
  if (a.levels === 2) return true;
  return a.numeric === b.numeric && (!a.numeric || linearlyRelated(a, b, seen));
}

function sameSplit(a: Factor, b: Factor, seen: Uint8Array): boolean {
  const partner = new Map<number, number>();
  return a.values.every((value, c) => {
    if (seen[c] === 0) return true;
    if (!partner.has(value)) partner.set(value, b.values[c]!);
    return partner.get(value) === b.values[c];
  });
}

/** Whether all points (a, b) of the cells seen lie on one line, up to rounding. */
function linearlyRelated(a: Factor, b: Factor, seen: Uint8Array): boolean {
  const points = [...a.values.keys()].filter((c) => seen[c] === 1);
  const centred = ({ values }: Factor) => {
    const mean = points.reduce((sum, c) => sum + values[c]!, 0) / points.length;
    return points.map((c) => values[c]! - mean);
  };
  const [x, y] = [centred(a), centred(b)];
  const product = (u: readonly number[], v: readonly number[]) =>
    u.reduce((sum, one, k) => sum + one * v[k]!, 0);
  return product(x, y) ** 2 >= (1 - 1e-9) * product(x, x) * product(y, y);
}

function meanByCell({ cell, cells }: RequestTable, column: Float64Array): Float64Array {
  const [sums, counts] = [new Float64Array(cells.length), new Float64Array(cells.length)];
  for (let i = 0; i < cell.length; i++) {
    sums[cell[i]!]! += column[i]!;
    counts[cell[i]!]!++;
  }
  return sums.map((sum, c) => (counts[c] === 0 ? 0 : sum / counts[c]!));
}

/**
 * The columns that stand for a factor in a regression: for numbers their logarithm, and its square at
 * `degree` 2 where three values or more can show a bend; for categories one indicator each but the first.
 */
export function factorColumns({ values, levels, numeric }: Factor, degree: 1 | 2): Float64Array[] {
  if (numeric) {
    const logarithmic = values.every((value) => value >= 0);
    const linear = logarithmic ? values.map(Math.log1p) : values;
    const mean = linear.reduce((sum, value) => sum + value, 0) / linear.length;
    const centred = linear.map((value) => value - mean);
    return degree === 2 && levels > 2 ? [centred, centred.map((value) => value * value)] : [centred];
  }
  const categories = [...new Set(values)].slice(1);
  return categories.map((category) => values.map((value) => (value === category ? 1 : 0)));
}

/** The number of columns that `factorColumns` gives. */
export function columnCount({ levels, numeric }: Factor, degree: 1 | 2): number {
  return numeric ? (levels > 2 ? degree : 1) : levels - 1;
}
