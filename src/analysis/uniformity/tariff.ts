import { hoover } from '../../stats/concentration.js';
import type { CellSample } from './cell-sample.js';
import { fitTariff, productsPerModel, sumProducts, type Tariff, tariffs } from './tariff-fit.js';

/** Prices of a fitted tariff, in units of work. Each model has a price list of its own. */
export interface Prices {
  model: number;
  /** Per token, or per input token. */
  inputPerToken: number;
  outputPerToken: number;
  perRequest: number;
}

/** Whether prices could be asked for: a fit may give a negative one. */
export function canBeAsked({ inputPerToken, outputPerToken, perRequest }: Omit<Prices, 'model'>): boolean {
  return Math.min(inputPerToken, outputPerToken, perRequest) >= 0;
}

interface FittedTariff {
  prices: Prices[];
  misbilledShare: number;
}

/**
 * For each tariff, the prices that fit the work best (least squares over cells, weighted by requests), and the
 * misbilled share that is left under them; `null` where the cells do not determine the prices.
 */
export function fittedTariffs(sample: CellSample): Record<Tariff, FittedTariff | null> {
  const { totals, work, price } = sample;
  // In units of the model's mean price, so that no metric's unit is too large or too small.
  const unit = price.map((own) => own || 1);
  const column = new Float64Array(work.length);
  const products = new Float64Array(totals.models * productsPerModel);
  sumProducts(sample, unit, { y: column, products });
  const fitted = (tariff: Tariff): FittedTariff | null => {
    const prices: Prices[] = [];
    for (let model = 0; model < totals.models; model++) {
      const fit = fitTariff(
        tariff,
        products.subarray(model * productsPerModel, (model + 1) * productsPerModel),
      );
      if (fit === null) return null;
      const [inputPerToken, outputPerToken, perRequest] = fit.coefficients;
      const scale = unit[model]!;
      prices.push({
        model,
        inputPerToken: inputPerToken * scale,
        outputPerToken: outputPerToken * scale,
        perRequest: perRequest * scale,
      });
    }
    for (let c = 0; c < column.length; c++) {
      const { inputPerToken, outputPerToken, perRequest } = prices[totals.model[c]!]!;
      column[c] =
        (inputPerToken * totals.promptPerRequest[c]! +
          outputPerToken * totals.completionPerRequest[c]! +
          perRequest) *
        totals.requests[c]!;
    }
    return { prices, misbilledShare: hoover(work, column) };
  };
  return Object.fromEntries(tariffs.map((tariff) => [tariff, fitted(tariff)])) as Record<
    Tariff,
    FittedTariff | null
  >;
}
