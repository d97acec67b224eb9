import type { CellSample } from './cell-sample.js';
import type { CellFigures } from './cell-totals.js';
import {
  fitTariff,
  productsPerModel,
  sumProducts,
  type Tariff,
  type TariffFit,
  tariffs,
} from './tariff-fit.js';

/**
 * Explained variance of work per request under each tariff, every cell predicted from the others: Allen's
 * PRESS by leverages (see `heldOutRSquared`), each model with prices of its own and its work in units of
 * its mean price. `NaN` where the cells do not determine the prices.
 *
 * A bootstrap asks for this thousands of times, so all tariffs share two passes over the cells: the
 * products of the widest tariff hold those of the others.
 */
export function explainedByTariffs(totals: CellFigures): (sample: CellSample) => Record<Tariff, number> {
  const y = new Float64Array(totals.work.length);
  const products = new Float64Array(totals.models * productsPerModel);
  let last: CellSample | null = null;
  let explained = {} as Record<Tariff, number>;

  return (sample) => {
    if (sample === last) return explained;
    last = sample;
    const { weight, price } = sample;
    sumProducts(sample, price, { y, products });
    let [total, mean] = [0, 0];
    for (let c = 0; c < y.length; c++) {
      if (weight[c] === 0) continue;
      total += weight[c]!;
      mean += weight[c]! * y[c]!;
    }
    mean /= total;
    let squares = 0;
    for (let c = 0; c < y.length; c++) if (weight[c] !== 0) squares += weight[c]! * (y[c]! - mean) ** 2;
    // Equal values leave rounding, not variance, around their mean.
    const varies = squares > 1e-20 * total * mean * mean;
    const entries = tariffs.map((tariff) => {
      const error = varies ? heldOutError(tariff, sample, { y, products }) : null;
      return [tariff, error === null ? Number.NaN : 1 - error / squares];
    });
    explained = Object.fromEntries(entries) as Record<Tariff, number>;
    return explained;
  };
}

/** Σ w·(e/(1−h))², or `null` where prices are not determined or a cell alone fixes one. */
function heldOutError(
  tariff: Tariff,
  { totals, weight }: CellSample,
  { y, products }: { y: Float64Array; products: Float64Array },
): number | null {
  const { model, promptPerRequest, completionPerRequest } = totals;
  const fits: TariffFit[] = [];
  for (let own = 0; own < totals.models; own++) {
    const sums = products.subarray(own * productsPerModel, (own + 1) * productsPerModel);
    // A model that a resample left out entirely needs no prices.
    const fit = sums[5] === 0 ? noPrices : fitTariff(tariff, sums);
    if (fit === null) return null;
    fits.push(fit);
  }
  let errors = 0;
  for (let c = 0; c < y.length; c++) {
    const w = weight[c]!;
    if (w === 0) continue;
    const { coefficients: k, form } = fits[model[c]!]!;
    const [p, q] = [promptPerRequest[c]!, completionPerRequest[c]!];
    const leverage =
      w * (form[0] * p * p + form[1] * p * q + form[2] * q * q + form[3] * p + form[4] * q + form[5]);
    if (leverage > 1 - 1e-9) return null;
    const error = (y[c]! - k[0] * p - k[1] * q - k[2]) / (1 - leverage);
    errors += w * error * error;
  }
  return errors;
}

const noPrices: TariffFit = { coefficients: [0, 0, 0], form: [0, 0, 0, 0, 0, 0] };
