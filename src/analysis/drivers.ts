import { explainedVariance } from '../stats/explained-variance.js';
import { shapleyValues } from '../stats/shapley.js';
import type { CellSample } from './cell-sample.js';
import type { CellTotals } from './cell-totals.js';
import { columnCount, type Factor, factorAmong, factorColumns } from './factors.js';

export interface Driver {
  factor: string;
  /** Share of the variance of log work per token; the shares with `unexplained` sum to 1. */
  share: number;
}

export interface Drivers {
  drivers: Driver[];
  /** Factors that vary but were left out, with the reason. */
  leftOut: { factor: string; reason: string }[];
}

/** 2¹² regressions are exact and quick; more factors are a design nobody can read anyway. */
const mostFactors = 12;

/**
 * Which factor makes work per token vary: Shapley shares of R² of log work per token over the factors of
 * the design, cells weighing as their requests. Exact over all subsets. What no factor explains, noise and
 * interactions among it, is `unexplained`. A string where there is nothing to explain, saying why.
 */
export function driversOf(
  factors: readonly Factor[],
  totals: CellTotals,
  { rate, weight }: CellSample,
): Drivers | string {
  if (rate.some((value) => !(value > 0))) return 'a cell did no work';
  const target = rate.map(Math.log);
  const leftOut: Drivers['leftOut'] = [];
  const varying = factors.map((factor) => factorAmong(factor, totals)).filter(({ levels }) => levels > 1);
  // Half the cells at most go into coefficients, or the factors would explain noise.
  const budget = Math.floor((target.length - 1) / 2);
  const { kept, degree } = affordable(varying, budget, leftOut);
  if (kept.length === 0) return varying.length === 0 ? 'no factor varies over the cells' : 'too few cells';

  const columns: Float64Array[] = [];
  const columnsOf = kept.map((factor) => {
    const own = factorColumns(factor, degree);
    return own.map((column) => columns.push(column) - 1);
  });
  const explained = explainedVariance(columns, target, weight);
  if (explained === null) return 'work per token is the same in every cell';
  const shares = shapleyValues(kept.length, (coalition) =>
    explained(columnsOf.flatMap((own, player) => (coalition & (1 << player) ? own : []))),
  );
  const drivers = kept
    .map(({ name }, player) => ({ factor: name, share: Math.max(0, shares[player]!) }))
    .sort((a, b) => b.share - a.share);
  const unexplained = Math.max(0, 1 - drivers.reduce((sum, { share }) => sum + share, 0));
  return { drivers: [...drivers, { factor: 'unexplained', share: unexplained }], leftOut };
}

/**
 * The factors whose columns fit the budget. Curvature goes first, then the categories with the most values;
 * a number, which takes one column however many values it has, goes last.
 */
function affordable(
  factors: readonly Factor[],
  budget: number,
  leftOut: Drivers['leftOut'],
): { kept: Factor[]; degree: 1 | 2 } {
  const size = (chosen: readonly Factor[], degree: 1 | 2) =>
    chosen.reduce((sum, factor) => sum + columnCount(factor, degree), 0);
  const kept = [...factors];
  for (;;) {
    for (const degree of [2, 1] as const) {
      if (size(kept, degree) <= budget && kept.length <= mostFactors) return { kept, degree };
    }
    const largest = kept.reduce((most, factor) =>
      columnCount(factor, 1) > columnCount(most, 1) ? factor : most,
    );
    kept.splice(kept.indexOf(largest), 1);
    const reason = largest.numeric
      ? 'so few cells cannot show what it explains'
      : `its ${largest.levels} values over so few cells would explain anything`;
    leftOut.push({ factor: largest.name, reason });
  }
}
