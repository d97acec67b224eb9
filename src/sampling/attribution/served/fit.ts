import { blockLength, drawBlocks } from '../../../stats/bootstrap/block-bootstrap.js';
import { median, quantile } from '../../../stats/quantile.js';
import { createRandom } from '../../../stats/random.js';
import { nonNegativeLeastSquares } from '../../../stats/regression/nnls.js';
import { type Design, type RegressorName, workKinds } from './design.js';
import { chooseRegressors, sumOf, windowProducts } from './regressors.js';
import { type Residuals, residualsOf } from './residuals.js';

/** A cost, and the interval that holds it with 95% probability. */
export interface Coefficient {
  name: RegressorName;
  /** The counter's unit per this. */
  per: 'ns' | 'token' | 'token of context' | 'step';
  value: number;
  low: number;
  high: number;
}

export interface Fit extends Residuals {
  /** Of each kind of work; 0 for one that was dropped. */
  costs: number[];
  /** Of idle time. */
  idleCost: number;
  coefficients: Coefficient[];
  dropped: RegressorName[];
  conditionNumber: number;
  /** Number of windows that were fitted. */
  windows: number;
  blockLength: number;
  /** Costs by resamples of the windows. */
  resampledCosts: number[][];
}

export const fewestWindows = 24;
const resamples = 400;
const units: Record<RegressorName, Coefficient['per']> = {
  idle: 'ns',
  prefill: 'token',
  prefillAttention: 'token of context',
  decode: 'token',
  decodeContext: 'token of context',
  step: 'step',
};

/**
 * Fits what the counter showed in each window to the work in it, non-negatively, each window weighing 1 ÷ its length,
 * as what disturbs windows adds up over time. Says why where it cannot be done.
 */
export function fitWindows(design: Design, seed: number): Fit | string {
  const { amount, isUnknown } = design.windows;
  if (design.requests.length === 0) {
    return 'No request has its tokens counted: let the server report its usage (stream_options.include_usage).';
  }
  const rows = [...amount.keys()].filter((at) => isUnknown[at] === 0);
  if (rows.length < fewestWindows) {
    return `There are ${rows.length} windows in which all that ran is known, and ${fewestWindows} are needed: send more requests, or read the counter more often.`;
  }
  const moved = rows.filter((at) => amount[at]! > 0).length;
  if (moved < rows.length / 2) {
    return `The counter moved in ${moved} of ${rows.length} windows: send more requests, or longer ones, or read a counter that moves more often.`;
  }
  const choice = chooseRegressors(design, rows);
  if (typeof choice === 'string') return choice;
  const { names, dropped, condition } = choice;
  const products = windowProducts(rows, names, design);
  const solve = (indices: Uint32Array) => {
    const { gram, moments } = sumOf(products, indices, names.length);
    return nonNegativeLeastSquares(gram, moments);
  };
  const solution = solve(Uint32Array.from(rows.keys()));
  const random = createRandom(seed);
  const length = blockLength(rows.length, median(design.requests.map(({ windows }) => windows)) ?? 1);
  const indices = new Uint32Array(rows.length);
  const solutions = Array.from({ length: resamples }, () => {
    drawBlocks(indices, rows.length, length, random);
    return solve(indices);
  });
  const costsOf = (values: readonly number[]) => workKinds.map((kind) => values[names.indexOf(kind)] ?? 0);
  const costs = costsOf(solution);
  const idleCost = solution[names.indexOf('idle')] ?? 0;
  return {
    costs,
    idleCost,
    coefficients: names.map((name, k) => {
      const values = solutions.map((of) => of[k]!);
      const [low, high] = [quantile(values, 0.025)!, quantile(values, 0.975)!];
      return { name, per: units[name], value: solution[k]!, low, high };
    }),
    dropped,
    conditionNumber: condition,
    windows: rows.length,
    blockLength: length,
    resampledCosts: solutions.map(costsOf),
    ...residualsOf(design, rows, { costs, idleCost, parameters: names.length }),
  };
}
