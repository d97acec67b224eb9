import { invertSymmetric } from '../stats/least-squares.js';
import type { CellSample } from './cell-sample.js';
import type { CellTotals } from './cell-totals.js';
import { type Tariff, tariffs } from './tariff.js';

/**
 * Explained variance of work per request under each tariff, every cell predicted from the others: Allen's
 * PRESS by leverages (see `heldOutRSquared`), each model with prices of its own and its work in units of
 * its mean price. `NaN` where the cells do not determine the prices.
 *
 * A bootstrap asks for this thousands of times, so all tariffs share two passes over the cells: the
 * products of the widest tariff hold those of the others.
 */
export function explainedByTariffs(totals: CellTotals): (sample: CellSample) => Record<Tariff, number> {
  const size = totals.work.length;
  const prompt = totals.promptTokens.map((value, c) => value / totals.requests[c]!);
  const completion = totals.completionTokens.map((value, c) => value / totals.requests[c]!);
  const y = new Float64Array(size);
  const products = new Float64Array(totals.models * width);
  let last: CellSample | null = null;
  let explained = {} as Record<Tariff, number>;

  return (sample) => {
    if (sample === last) return explained;
    last = sample;
    const { weight, work, price } = sample;
    products.fill(0);
    let [total, mean] = [0, 0];
    for (let c = 0; c < size; c++) {
      const w = weight[c]!;
      if (w === 0) continue;
      const model = totals.model[c]!;
      const value = work[c]! / (totals.requests[c]! * price[model]!);
      const [p, q] = [prompt[c]!, completion[c]!];
      y[c] = value;
      const at = model * width;
      products[at]! += w * p * p;
      products[at + 1]! += w * p * q;
      products[at + 2]! += w * q * q;
      products[at + 3]! += w * p;
      products[at + 4]! += w * q;
      products[at + 5]! += w;
      products[at + 6]! += w * p * value;
      products[at + 7]! += w * q * value;
      products[at + 8]! += w * value;
      total += w;
      mean += w * value;
    }
    mean /= total;
    let squares = 0;
    for (let c = 0; c < size; c++) if (weight[c] !== 0) squares += weight[c]! * (y[c]! - mean) ** 2;
    // Equal values leave rounding, not variance, around their mean.
    const varies = squares > 1e-20 * total * mean * mean;
    const entries = tariffs.map((tariff) => {
      const error = varies ? heldOutError(tariff, sample, { prompt, completion, y, products }) : null;
      return [tariff, error === null ? Number.NaN : 1 - error / squares];
    });
    explained = Object.fromEntries(entries) as Record<Tariff, number>;
    return explained;
  };
}

/** Products per model: pp, pq, qq, p, q, 1 of prompt p and completion q; and p, q, 1 times y. */
const width = 9;

/** Coefficients on prompt, completion and fee, and the matrix of the leverage's quadratic form in them. */
interface Fit {
  coefficients: [number, number, number];
  /** pp, pq, qq, p, q, 1. */
  form: [number, number, number, number, number, number];
}

interface Columns {
  prompt: Float64Array;
  completion: Float64Array;
  y: Float64Array;
  products: Float64Array;
}

/** Σ w·(e/(1−h))², or `null` where prices are not determined or a cell alone fixes one. */
function heldOutError(tariff: Tariff, sample: CellSample, columns: Columns): number | null {
  const { totals, weight } = sample;
  const { prompt, completion, y, products } = columns;
  const fits: Fit[] = [];
  for (let model = 0; model < totals.models; model++) {
    const own = products.subarray(model * width, (model + 1) * width);
    // A model that a resample left out entirely needs no prices.
    const fit = own[5] === 0 ? emptyFit : fitTariff(tariff, own);
    if (fit === null) return null;
    fits.push(fit);
  }
  let errors = 0;
  for (let c = 0; c < y.length; c++) {
    const w = weight[c]!;
    if (w === 0) continue;
    const { coefficients: k, form } = fits[totals.model[c]!]!;
    const [p, q] = [prompt[c]!, completion[c]!];
    const leverage =
      w * (form[0] * p * p + form[1] * p * q + form[2] * q * q + form[3] * p + form[4] * q + form[5]);
    if (leverage > 1 - 1e-9) return null;
    const error = (y[c]! - k[0] * p - k[1] * q - k[2]) / (1 - leverage);
    errors += w * error * error;
  }
  return errors;
}

const emptyFit: Fit = { coefficients: [0, 0, 0], form: [0, 0, 0, 0, 0, 0] };

function fitTariff(tariff: Tariff, products: Float64Array): Fit | null {
  const [pp, pq, qq, p, q, one, py, qy, y] = products;
  if (tariff === 'oneRate') {
    const square = pp! + 2 * pq! + qq!;
    if (!(square > 0)) return null;
    const rate = (py! + qy!) / square;
    return { coefficients: [rate, rate, 0], form: [1 / square, 2 / square, 1 / square, 0, 0, 0] };
  }
  const withFee = tariff === 'inputOutputFee';
  const gram = withFee ? [[pp!], [pq!, qq!], [p!, q!, one!]] : [[pp!], [pq!, qq!]];
  const inverse = invertSymmetric(gram);
  if (inverse === null) return null;
  const moments = withFee ? [py!, qy!, y!] : [py!, qy!];
  const coefficients = inverse.map((row) => row.reduce((sum, value, k) => sum + value * moments[k]!, 0));
  const at = (a: number, b: number) => inverse[a]?.[b] ?? 0;
  return {
    coefficients: [coefficients[0]!, coefficients[1]!, coefficients[2] ?? 0],
    form: [at(0, 0), 2 * at(0, 1), at(1, 1), 2 * at(0, 2), 2 * at(1, 2), at(2, 2)],
  };
}
