import { nonNegativeLeastSquares } from '../../../stats/regression/nnls.js';
import type { Design } from './design.js';

/** What the fit leaves over in the windows. */
export interface Residuals {
  /** Root mean square of the residuals ÷ that of the amounts. */
  residualShare: number;
  /** Residuals ÷ what is fitted to requests, of the windows that have such, in their order; 0 on average. */
  relativeResiduals: Float64Array;
  /** Of relative residuals: what all requests of a window share, and of each request by itself. */
  commonVariance: number;
  ownVariance: number;
}

/**
 * Residuals, and the variances they are made of. Where requests with shares sᵢ of a window deviate on their own with
 * variance v and together with variance c, the window's relative residual has c + v·Σsᵢ²: the two are fitted to the
 * squared residuals, non-negatively.
 */
export function residualsOf(
  design: Design,
  rows: readonly number[],
  { costs, idleCost, parameters }: { costs: readonly number[]; idleCost: number; parameters: number },
): Residuals {
  const { amount, idleNs } = design.windows;
  const fitted = fittedTo(design, costs);
  const residual = (at: number) => amount[at]! - idleCost * idleNs[at]! - fitted.work[at]!;
  const sum = (of: readonly number[]) => of.reduce((total, value) => total + value, 0);
  const mean = sum(rows.map((at) => fitted.work[at]!)) / rows.length;
  // Of a window with next to no work a ratio means nothing.
  const worked = rows.filter((at) => fitted.work[at]! > 0.05 * mean);
  const centre = sum(worked.map(residual)) / sum(worked.map((at) => fitted.work[at]!));
  // Residuals are smaller than errors by the parameters that were fitted.
  const inflation = Math.sqrt(rows.length / (rows.length - parameters));
  const relative = worked.map((at) => inflation * (residual(at) / fitted.work[at]! - centre));
  const squares = relative.map((value) => value ** 2);
  const concentration = worked.map((at) => fitted.squares[at]! / fitted.work[at]! ** 2);
  const dot = (a: readonly number[], b: readonly number[]) =>
    a.reduce((total, value, k) => total + value * b[k]!, 0);
  const [common, own] = nonNegativeLeastSquares(
    [
      [worked.length, sum(concentration)],
      [sum(concentration), dot(concentration, concentration)],
    ],
    [sum(squares), dot(squares, concentration)],
  );
  return {
    residualShare: Math.sqrt(
      sum(rows.map((at) => residual(at) ** 2)) / sum(rows.map((at) => amount[at]! ** 2)),
    ),
    relativeResiduals: Float64Array.from(relative),
    commonVariance: common!,
    ownVariance: own!,
  };
}

/** Of each window, what is fitted to requests, and the sum of the squares of the requests' parts. */
export function fittedTo({ windows, requests }: Design, costs: readonly number[]) {
  const work = new Float64Array(windows.amount.length);
  const squares = new Float64Array(work.length);
  for (const request of requests) {
    for (let w = 0; w < request.windows; w++) {
      const part = costs.reduce(
        (sum, cost, kind) => sum + cost * request.work[kind * request.windows + w]!,
        0,
      );
      work[request.fromWindow + w]! += part;
      squares[request.fromWindow + w]! += part ** 2;
    }
  }
  return { work, squares };
}
