import { hoover } from '../stats/concentration.js';
import { heldOutRSquared } from '../stats/held-out.js';
import { fitLinear, type LinearFit } from '../stats/least-squares.js';
import type { CellSample } from './cell-sample.js';
import type { CellTotals } from './cell-totals.js';

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

/** One tariff's regression on the cells' mean requests, each model with prices of its own. */
export interface TariffModel {
  /** Work per request over its model's price per token, so that models weigh alike. */
  fit(sample: CellSample): { fit: LinearFit; perRequest: Float64Array } | null;
}

export function tariffModel(totals: CellTotals, tariff: Tariff): TariffModel {
  const perRequest = (column: Float64Array, model: number) =>
    column.map((value, c) => (totals.model[c] === model ? value / totals.requests[c]! : 0));
  const columns: Float64Array[] = [];
  for (let model = 0; model < totals.models; model++) {
    if (tariff === 'oneRate') columns.push(perRequest(totals.tokens, model));
    else columns.push(perRequest(totals.promptTokens, model), perRequest(totals.completionTokens, model));
    if (tariff === 'inputOutputFee') columns.push(perRequest(totals.requests, model));
  }
  const scaled = new Float64Array(totals.work.length);
  return {
    fit(sample) {
      for (let c = 0; c < scaled.length; c++) {
        const price = sample.price[totals.model[c]!]!;
        scaled[c] = price === 0 ? 0 : sample.work[c]! / totals.requests[c]! / price;
      }
      const fit = fitLinear(columns, scaled, sample.weight);
      return fit === null ? null : { fit, perRequest: scaled };
    },
  };
}

/**
 * Explained variance of work per request under a tariff, every cell predicted from the others. `NaN` where
 * the cells do not determine the prices.
 */
export function explainedByTariff(model: TariffModel, sample: CellSample): number {
  const fitted = model.fit(sample);
  return fitted === null
    ? Number.NaN
    : (heldOutRSquared(fitted.fit, fitted.perRequest, sample.weight) ?? Number.NaN);
}

/** The fitted prices and the misbilled share that is left under them; `null` where not determined. */
export function fittedTariff(
  model: TariffModel,
  tariff: Tariff,
  sample: CellSample,
): { prices: Prices[]; misbilledShare: number } | null {
  const fitted = model.fit(sample);
  if (fitted === null) return null;
  const { totals } = sample;
  const bill = fitted.fit.fitted.map(
    (charge, c) => charge * totals.requests[c]! * sample.price[totals.model[c]!]!,
  );
  const size = fitted.fit.coefficients.length / totals.models;
  const prices = Array.from({ length: totals.models }, (_, index) => {
    const own = fitted.fit.coefficients
      .slice(index * size, (index + 1) * size)
      .map((coefficient) => coefficient * sample.price[index]!);
    const inputPerToken = own[0]!;
    return {
      model: index,
      inputPerToken,
      outputPerToken: tariff === 'oneRate' ? inputPerToken : own[1]!,
      perRequest: tariff === 'inputOutputFee' ? own[2]! : 0,
    };
  });
  return { prices, misbilledShare: hoover(sample.work, bill) };
}
