import type { WorkMetric } from '../../core/metrics.js';
import type { Cell } from '../../core/result.js';
import { fitNonNegative } from '../../stats/regression/non-negative-fit.js';
import type { RequestTable } from '../requests/request-table.js';
import type { LoggedTokens } from './usage-tally.js';

/** A cell as a law is fitted to it: the tokens and the work of its mean request. */
export interface MeasuredPoint extends LoggedTokens {
  cell: string;
  work: number;
  /** Variance of the logarithm of that mean by the noise between its requests; `null` of a single one. */
  noise: number | null;
}

/**
 * Work by tokens, with no coefficient below 0. A decoder evaluates u = prompt − cached positions at once, each of which
 * attends to all before it, and then c completion positions one by one:
 *
 * W = a·u + b·c + f + d·c·(prompt + (c − 1)/2) + e·u·(cached + (u + 1)/2)
 */
export type WorkLaw = readonly [
  input: number,
  output: number,
  fixed: number,
  decode: number,
  prefill: number,
];

/** Cells that a law's five coefficients can be told from, and its error too. */
export const fewestPoints = 8;

/** The columns that a law's coefficients stand before. */
export function termsOf({ prompt, cached, completion }: LoggedTokens): number[] {
  const read = prompt - cached;
  return [
    read,
    completion,
    1,
    completion * (prompt + Math.max(0, completion - 1) / 2),
    read * (cached + (read + 1) / 2),
  ];
}

export function predict(law: WorkLaw, tokens: LoggedTokens): number {
  const terms = termsOf(tokens);
  let work = 0;
  for (let k = 0; k < law.length; k++) work += law[k]! * terms[k]!;
  return work;
}

/** The law of least relative error over cells; `null` where none can be fitted. */
export function fitLaw(points: readonly LoggedTokens[], work: ArrayLike<number>): WorkLaw | null {
  const rows = points.map(termsOf);
  const columns = rows[0]!.map((_, k) => rows.map((row) => row[k]!));
  return fitNonNegative(columns, work) as WorkLaw | null;
}

const mostFolds = 50;

/**
 * What a law says of each cell where it was fitted to the others alone: leaving out one at a time, or one of 50 parts
 * where there are more.
 */
export function heldOut(points: readonly MeasuredPoint[]): number[] {
  const folds = Math.min(points.length, mostFolds);
  const predicted = new Array<number>(points.length).fill(Number.NaN);
  for (let fold = 0; fold < folds; fold++) {
    const others = points.filter((_, index) => index % folds !== fold);
    const law = fitLaw(
      others,
      others.map(({ work }) => work),
    );
    if (law === null) continue;
    for (let index = fold; index < points.length; index += folds)
      predicted[index] = predict(law, points[index]!);
  }
  return predicted;
}

/**
 * The cells that one law can hold of: one row, and alike in all but the prompt and its answer, plain chat where it was
 * measured, else the most.
 */
export function comparableCells(cells: readonly Cell[]): Cell[] {
  const groups = new Map<string, Cell[]>();
  for (const cell of cells) {
    const {
      promptTokens: _p,
      completionTokens: _c,
      prompt: _n,
      promptKind: _k,
      language: _l,
      ...rest
    } = cell.factors;
    const { batch = 1, pipeline = 'plain-chat', ...others } = rest;
    if (batch !== 1) continue;
    const key = JSON.stringify([pipeline, Object.entries(others).sort()]);
    groups.set(key, [...(groups.get(key) ?? []), cell]);
  }
  const isPlain = ([{ factors } = {} as Cell]: readonly Cell[]) =>
    (factors?.pipeline ?? 'plain-chat') === 'plain-chat';
  const [plain, through] = [
    [...groups.values()].filter(isPlain),
    [...groups.values()].filter((of) => !isPlain(of)),
  ];
  const largest = (of: Cell[][]) =>
    of.reduce<Cell[]>((most, group) => (group.length > most.length ? group : most), []);
  const [own, other] = [largest(plain), largest(through)];
  return own.length >= fewestPoints || own.length >= other.length ? own : other;
}

/** The cells among `own` that have the metric, as points. */
export function pointsOf(table: RequestTable, own: ReadonlySet<string>, metric: WorkMetric): MeasuredPoint[] {
  const rows = new Map<number, number[]>();
  for (let i = 0; i < table.size; i++) {
    const cell = table.cell[i]!;
    if (!own.has(table.cells[cell]!.id) || !(table.metrics[metric][i]! > 0)) continue;
    const of = rows.get(cell);
    if (of === undefined) rows.set(cell, [i]);
    else of.push(i);
  }
  return [...rows].map(([cell, of]) => {
    const mean = (column: ArrayLike<number>) => of.reduce((sum, i) => sum + column[i]!, 0) / of.length;
    const work = mean(table.metrics[metric]);
    // Of small noise, the variance of the logarithm.
    const squares = of.reduce((sum, i) => sum + (table.metrics[metric][i]! / work - 1) ** 2, 0);
    return {
      cell: table.cells[cell]!.id,
      prompt: mean(table.promptTokens),
      cached: mean(table.cachedTokens),
      completion: mean(table.completionTokens),
      work,
      noise: of.length < 2 ? null : squares / (of.length - 1) / of.length,
    };
  });
}
