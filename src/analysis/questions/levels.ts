import type { FactorValue, Question } from '../../core/question.js';
import type { Cell } from '../../core/result.js';
import { shrinkVariances } from '../../stats/variance-shrinkage.js';
import type { RequestTable } from '../requests/request-table.js';

/** A cell as a question looks at it: one amount per request that measured it. */
export interface MeasuredCell {
  cell: Cell;
  level: FactorValue;
  /** Which of the table's requests they are. */
  requests: number[];
  /** Each request's number in its cell, and its amount. */
  repetitions: number[];
  values: number[];
  mean: number;
  /** Relative variance of the mean; `null` where repetitions show no noise. */
  variance: number | null;
  /** Degrees of freedom of that variance, and those that the noise of all cells was estimated with. */
  freedom: number;
  noiseFreedom: number;
  /** Mean billed tokens. */
  billed: number;
}

/** The cells of a question's two levels that are compared with each other. */
export interface Contrast {
  /** At which levels of the question's `by` factors. */
  by: Record<string, FactorValue>;
  level: FactorValue;
  baseline: MeasuredCell[];
  candidate: MeasuredCell[];
  /** Whether each cell has a partner at the other level that is otherwise equal, in the same order. */
  matched: boolean;
}

type Unjudged = Omit<MeasuredCell, 'variance' | 'freedom' | 'noiseFreedom'>;

/** A cell's level of a factor, `model` being its model; `undefined` for a factor that it lacks. */
function levelOf({ model, factors }: Cell, factor: string): FactorValue | undefined {
  return factors[factor] ?? (factor === 'model' ? model : undefined);
}

/**
 * Every level of a question held against its baseline, at each combination of the `by` factors. Where
 * cells have partners that differ in nothing but the factor, only those are compared.
 */
export function contrastsOf(question: Question, cells: readonly MeasuredCell[]): Contrast[] {
  const { factor, baseline, by } = question;
  const groups = new Map<string, MeasuredCell[]>();
  for (const own of cells) {
    const key = JSON.stringify(by.map((name) => levelOf(own.cell, name)));
    groups.set(key, [...(groups.get(key) ?? []), own]);
  }
  return [...groups.values()].flatMap((group) => {
    const base = group.filter(({ level }) => level === baseline);
    const levels = [...new Set(group.map(({ level }) => level))].filter((level) => level !== baseline);
    if (base.length === 0) return [];
    const shared = Object.fromEntries(
      by.flatMap((name) => {
        const own = levelOf(group[0]!.cell, name);
        return own === undefined ? [] : [[name, own]];
      }),
    );
    return levels.sort(byValue).map((level) => {
      const candidates = group.filter((own) => own.level === level);
      return { by: shared, level, ...pairUp(base, candidates, factor) };
    });
  });
}

function byValue(a: FactorValue, b: FactorValue): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : 0;
}

function pairUp(
  baseline: readonly MeasuredCell[],
  candidates: readonly MeasuredCell[],
  factor: string,
): Pick<Contrast, 'baseline' | 'candidate' | 'matched'> {
  const key = ({ cell }: MeasuredCell) =>
    JSON.stringify(
      Object.entries({ model: cell.model, ...cell.factors })
        .filter(([name]) => name !== factor)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  const groups = [baseline, candidates].map((side) => {
    const byKey = new Map<string, MeasuredCell[]>();
    for (const own of side) byKey.set(key(own), [...(byKey.get(key(own)) ?? []), own]);
    return byKey;
  }) as [Map<string, MeasuredCell[]>, Map<string, MeasuredCell[]>];
  const [before, after] = groups;
  const shared = [...before.keys()].filter((own) => after.has(own));
  if (shared.length === 0) return { baseline: [...baseline], candidate: [...candidates], matched: false };
  return {
    baseline: shared.flatMap((own) => before.get(own)!),
    candidate: shared.flatMap((own) => after.get(own)!),
    // Cells that differ by luck alone (drafts that are accepted or not) have no one partner.
    matched: shared.every((own) => before.get(own)!.length === 1 && after.get(own)!.length === 1),
  };
}

/** The cells that take part in a question, which are those that have its factor, each with its requests' amounts. */
export function measureCells(table: RequestTable, question: Question, exact: boolean): MeasuredCell[] {
  const amounts = amountsOf(table, question);
  const requestsOf = new Map<number, number[]>();
  for (const [index, cell] of table.cells.entries()) {
    const level = levelOf(cell, question.factor);
    const takesPart =
      level !== undefined &&
      Object.entries(question.where).every(([factor, wanted]) => levelOf(cell, factor) === wanted);
    if (takesPart) requestsOf.set(index, []);
  }
  for (let i = 0; i < table.size; i++) {
    if (!Number.isNaN(amounts[i]!)) requestsOf.get(table.cell[i]!)?.push(i);
  }
  const measured = [...requestsOf].flatMap(([index, requests]) => {
    if (requests.length === 0) return [];
    const cell = table.cells[index]!;
    const values = requests.map((i) => amounts[i]!);
    const billed = meanOf(requests.map((i) => billedOf(table, i)));
    return [
      {
        cell,
        level: levelOf(cell, question.factor)!,
        requests,
        repetitions: requests.map((i) => table.repetition[i]!),
        values,
        mean: meanOf(values),
        billed,
      },
    ];
  });
  return withNoise(measured, exact);
}

/**
 * Of the cells' own variances and the pooled one, each what both say (see `shrinkVariances`), after what
 * all cells of a repetition share is taken out: a drift of the machine falls on both sides of a ratio.
 */
function withNoise(cells: readonly Unjudged[], exact: boolean): MeasuredCell[] {
  const freedom = cells.map(({ values }) => values.length - 1);
  const pooled = freedom.reduce((sum, own) => sum + own, 0);
  if (pooled === 0)
    return cells.map((cell) => ({ ...cell, variance: exact ? 0 : null, freedom: 1, noiseFreedom: 1 }));
  const { residuals, rounds } = driftRemoved(cells);
  const left = pooled - (rounds - 1);
  const kept = freedom.map((own) => (own * left) / pooled);
  const squares = residuals.map((own) => own.reduce((sum, value) => sum + value ** 2, 0));
  const { variances, freedom: worth } = shrinkVariances(Float64Array.from(squares), Float64Array.from(kept));
  return cells.map((cell, c) => ({
    ...cell,
    variance: variances[c]! / cell.values.length,
    freedom: Math.max(1, worth[c]!),
    noiseFreedom: left,
  }));
}

/** Relative residuals around the means of cells and of repetitions. */
function driftRemoved(cells: readonly Unjudged[]) {
  const residuals = cells.map(({ values, mean }) => values.map((value) => (mean > 0 ? value / mean - 1 : 0)));
  const rounds = new Map<number, { sum: number; count: number }>();
  for (const [c, { repetitions }] of cells.entries()) {
    for (const [k, repetition] of repetitions.entries()) {
      const round = rounds.get(repetition) ?? { sum: 0, count: 0 };
      rounds.set(repetition, { sum: round.sum + residuals[c]![k]!, count: round.count + 1 });
    }
  }
  // A trace's cells are repeated by no plan: rounds of a few requests would take the noise out with them.
  const requests = cells.reduce((sum, { values }) => sum + values.length, 0);
  if (rounds.size * 4 > requests) return { residuals, rounds: 1 };
  const shared = (repetition: number) => rounds.get(repetition)!.sum / rounds.get(repetition)!.count;
  return {
    residuals: residuals.map((own, c) => own.map((value, k) => value - shared(cells[c]!.repetitions[k]!))),
    rounds: rounds.size,
  };
}

/** Per request, what the question asks after; `NaN` where it was not measured. */
function amountsOf(table: RequestTable, { metric, per }: Question): Float64Array {
  const amounts = table.metrics[metric];
  if (per === 'request') return amounts;
  if (per === 'billedToken') {
    return amounts.map((amount, i) => (billedOf(table, i) === 0 ? Number.NaN : amount / billedOf(table, i)));
  }
  const batches = table.cells.map(({ factors: { batch } }) => (typeof batch === 'number' ? batch : 1));
  return amounts.map((amount, i) => amount / batches[table.cell[i]!]!);
}

function billedOf({ promptTokens, completionTokens }: RequestTable, i: number): number {
  return promptTokens[i]! + completionTokens[i]!;
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
