import type { CellSample } from './cell-sample.js';
import type { CellFigures } from './cell-totals.js';

/**
 * Elasticity: the slope of log work on log billed tokens per request, over cells, within models. 1 is
 * proportional; below 1 long requests are overcharged. `NaN` where tokens do not vary within any model or
 * a cell did no work.
 */
export function elasticityOf(totals: CellFigures): (sample: CellSample) => number {
  const x = totals.logTokensPerRequest;
  const y = new Float64Array(x.length);
  const sums = () => new Float64Array(totals.models);
  const [weights, tokens, works] = [sums(), sums(), sums()];
  return ({ work, weight }) => {
    for (const sum of [weights, tokens, works]) sum.fill(0);
    for (let c = 0; c < x.length; c++) {
      const model = totals.model[c]!;
      y[c] = Math.log(work[c]! / totals.requests[c]!);
      weights[model]! += weight[c]!;
      tokens[model]! += weight[c]! * x[c]!;
      works[model]! += weight[c]! * y[c]!;
    }
    let [products, squares, scale] = [0, 0, 0];
    for (let c = 0; c < x.length; c++) {
      if (weight[c] === 0) continue;
      const model = totals.model[c]!;
      const dx = x[c]! - tokens[model]! / weights[model]!;
      products += weight[c]! * dx * (y[c]! - works[model]! / weights[model]!);
      squares += weight[c]! * dx * dx;
      scale += weight[c]! * x[c]! * x[c]!;
    }
    return squares <= 1e-20 * scale || !Number.isFinite(products) ? Number.NaN : products / squares;
  };
}
