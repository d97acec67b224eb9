import type { CellSample } from './cell-sample.js';

/**
 * Elasticity: the slope of log work on log billed tokens per request, over cells, within models. 1 is
 * proportional; below 1 long requests are overcharged. `NaN` where tokens do not vary within any model or
 * a cell did no work.
 */
export function elasticity({ totals, work, weight }: CellSample): number {
  const [weights, tokens, works] = [0, 1, 2].map(() => new Float64Array(totals.models)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const size = work.length;
  const x = new Float64Array(size);
  const y = new Float64Array(size);
  for (let c = 0; c < size; c++) {
    const model = totals.model[c]!;
    x[c] = Math.log(totals.tokens[c]! / totals.requests[c]!);
    y[c] = Math.log(work[c]! / totals.requests[c]!);
    weights[model]! += weight[c]!;
    tokens[model]! += weight[c]! * x[c]!;
    works[model]! += weight[c]! * y[c]!;
  }
  let [products, squares, scale] = [0, 0, 0];
  for (let c = 0; c < size; c++) {
    if (weight[c] === 0) continue;
    const model = totals.model[c]!;
    const dx = x[c]! - tokens[model]! / weights[model]!;
    products += weight[c]! * dx * (y[c]! - works[model]! / weights[model]!);
    squares += weight[c]! * dx * dx;
    scale += weight[c]! * x[c]! * x[c]!;
  }
  return squares <= 1e-20 * scale || !Number.isFinite(products) ? Number.NaN : products / squares;
}
