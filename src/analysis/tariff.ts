import { hoover } from '../stats/concentration.js';
import { fitLinear } from '../stats/least-squares.js';
import type { CellSample } from './cell-sample.js';

/** Price lists by how many prices they have: one; input and output; input, output and a fee per request. */
export const tariffs = ['oneRate', 'inputOutput', 'inputOutputFee'] as const;
export type Tariff = (typeof tariffs)[number];

/** What a fitted tariff charges, in units of work. A model of its own is a price list of its own. */
export interface Prices {
  model: number;
  /** Per token, or per input token. */
  inputPerToken: number;
  outputPerToken: number;
  perRequest: number;
}

/**
 * The prices that fit the work best (least squares over cells, weighted by requests), and the misbilled
 * share that is left under them; `null` where the cells do not determine the prices.
 */
export function fittedTariff(
  tariff: Tariff,
  { totals, work, weight, price }: CellSample,
): { prices: Prices[]; misbilledShare: number } | null {
  const bill = new Float64Array(work.length);
  const prices: Prices[] = [];
  for (let model = 0; model < totals.models; model++) {
    const own = Array.from(totals.model.keys()).filter((c) => totals.model[c] === model);
    const perRequest = (column: Float64Array) => own.map((c) => column[c]! / totals.requests[c]!);
    const columns =
      tariff === 'oneRate'
        ? [perRequest(totals.tokens)]
        : [perRequest(totals.promptTokens), perRequest(totals.completionTokens)];
    if (tariff === 'inputOutputFee') columns.push(own.map(() => 1));
    const fit = fitLinear(
      columns,
      // In units of the model's mean price, so that no metric's unit is too large or too small.
      perRequest(work).map((value) => (price[model] === 0 ? 0 : value / price[model]!)),
      own.map((c) => weight[c]!),
    );
    if (fit === null) return null;
    for (const [k, c] of own.entries()) bill[c] = fit.fitted[k]! * price[model]! * totals.requests[c]!;
    const [input, output = input, fee = 0] = fit.coefficients.map((value) => value * price[model]!);
    prices.push({ model, inputPerToken: input!, outputPerToken: output!, perRequest: fee });
  }
  return { prices, misbilledShare: hoover(work, bill) };
}
