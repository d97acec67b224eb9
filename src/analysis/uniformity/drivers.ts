import { explainedVariance } from '../../stats/regression/explained-variance.js';
import { shapleyValues } from '../../stats/regression/shapley.js';
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
 *
 * Metrics of the same cells share what the factors are among them, which is most of the work.
 */
export class DriverAnalysis {
  readonly #factors: readonly Factor[];
  /** Keyed by the bill that metrics of the same cells share. */
  readonly #known = new WeakMap<Float64Array, PreparedFactors>();

  constructor(factors: readonly Factor[]) {
    this.#factors = factors;
  }

  driversOf(totals: CellTotals, { rate }: CellSample): Drivers | string {
    if (rate.some((value) => !(value > 0))) return 'a cell did no work';
    let prepared = this.#known.get(totals.tokens);
    if (prepared === undefined) {
      prepared = prepare(this.#factors, totals);
      this.#known.set(totals.tokens, prepared);
    }
    const { kept, leftOut, varying, columnsOf, explainedVarianceOf } = prepared;
    if (kept.length === 0) return varying ? 'too few cells' : 'no factor varies over the cells';
    const target = new Float64Array(rate.length);
    for (let c = 0; c < rate.length; c++) target[c] = Math.log(rate[c]!);
    const explained = explainedVarianceOf(target);
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
}

interface PreparedFactors {
  kept: readonly Factor[];
  leftOut: Drivers['leftOut'];
  /** Whether any factor varies over the cells. */
  varying: boolean;
  /** The positions of each factor's columns. */
  columnsOf: readonly number[][];
  explainedVarianceOf: ReturnType<typeof explainedVariance>;
}

function prepare(factors: readonly Factor[], totals: CellTotals): PreparedFactors {
  const leftOut: Drivers['leftOut'] = [];
  const varying = factors.map((factor) => factorAmong(factor, totals)).filter(({ levels }) => levels > 1);
  // Half the cells at most go into coefficients, or the factors would explain noise.
  const budget = Math.floor((totals.cell.length - 1) / 2);
  const { kept, degree } = affordable(varying, budget, leftOut);
  const columns: Float64Array[] = [];
  const columnsOf = kept.map((factor) =>
    factorColumns(factor, degree).map((column) => columns.push(column) - 1),
  );
  const explainedVarianceOf = explainedVariance(columns, totals.requests);
  return { kept, leftOut, varying: varying.length > 0, columnsOf, explainedVarianceOf };
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
