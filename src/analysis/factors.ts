import type { CellTotals } from './cell-totals.js';
import type { Observations } from './observations.js';

/** A factor of the design that varies over a metric's cells. */
export interface Factor {
  name: string;
  levels: number;
  /** One value per entry of the totals: a number, or a category. */
  values: readonly number[] | readonly string[];
}

/** Where a cell has no value of a factor that others have. */
const none = '(none)';

/**
 * The varying factors: those the cells name, and the prompt and completion lengths, which are measured
 * where a cell does not name them (a text's length is known to the tokenizer only). Two factors that
 * sort the cells alike are one, under both names.
 */
export function factorsOf({ cells }: Observations, totals: CellTotals): Factor[] {
  const entries = Array.from(totals.cell, (cell) => cells[cell]!.factors);
  const names = new Set(entries.flatMap((factors) => Object.keys(factors)));
  const mean = (column: Float64Array) => Array.from(column, (sum, c) => sum / totals.requests[c]!);
  const measured: Record<string, number[]> = {
    promptTokens: mean(totals.promptTokens),
    completionTokens: mean(totals.completionTokens),
  };
  const factors = [...new Set([...Object.keys(measured), ...names])].map((name) => {
    const named = entries.map((factors, c) => factors[name] ?? measured[name]?.[c]);
    return factor(name, named);
  });
  return mergeAliases(factors.filter(({ levels }) => levels > 1));
}

function factor(name: string, values: readonly (number | string | boolean | undefined)[]): Factor {
  const numeric = values.every((value): value is number => typeof value === 'number');
  const levels = new Set(values).size;
  return { name, levels, values: numeric ? values : values.map((value) => String(value ?? none)) };
}

/** `language` and `promptKind` may split the cells alike; two names for one split would share its credit. */
function mergeAliases(factors: readonly Factor[]): Factor[] {
  const bySplit = new Map<string, Factor>();
  for (const factor of factors) {
    const seen = new Map<number | string, number>();
    const split = factor.values.map((value) => {
      if (!seen.has(value)) seen.set(value, seen.size);
      return seen.get(value);
    });
    const key = split.join();
    const twin = bySplit.get(key);
    bySplit.set(key, twin === undefined ? factor : { ...twin, name: `${twin.name} = ${factor.name}` });
  }
  return [...bySplit.values()];
}

/**
 * The columns that stand for a factor in a regression: for numbers their logarithm, and its square at
 * `degree` 2 where three values or more can show a bend; for categories one indicator each but the first.
 */
export function factorColumns({ values, levels }: Factor, degree: 1 | 2): Float64Array[] {
  if (typeof values[0] === 'number') {
    const numbers = values as readonly number[];
    const logarithmic = numbers.every((value) => value >= 0);
    const linear = Float64Array.from(numbers, (value) => (logarithmic ? Math.log1p(value) : value));
    const mean = linear.reduce((sum, value) => sum + value, 0) / linear.length;
    const centred = linear.map((value) => value - mean);
    return degree === 2 && levels > 2 ? [centred, centred.map((value) => value * value)] : [centred];
  }
  const categories = [...new Set(values as readonly string[])].slice(1);
  return categories.map((category) =>
    Float64Array.from(values as readonly string[], (value) => (value === category ? 1 : 0)),
  );
}
