import { invertSymmetric } from '../../stats/regression/least-squares.js';
import type { CellSample } from './cell-sample.js';

/** Price lists by how many prices they have: one; input and output; input, output and a fee per request. */
export const tariffs = ['oneRate', 'inputOutput', 'inputOutputFee'] as const;
export type Tariff = (typeof tariffs)[number];

/** Products per model: pp, pq, qq, p, q, 1 of prompt p and completion q; and p, q, 1 times y. */
export const productsPerModel = 9;

/**
 * Takes the weighted sums of products, model by model, of which all tariffs are fitted: the prompt and
 * completion tokens of each cell's mean request, and its work y in `unit`s of its model.
 */
export function sumProducts(
  { totals, weight, work }: CellSample,
  unit: Float64Array,
  { y, products }: { y: Float64Array; products: Float64Array },
): void {
  const { requests, model, promptPerRequest, completionPerRequest } = totals;
  products.fill(0);
  for (let c = 0; c < y.length; c++) {
    const w = weight[c]!;
    if (w === 0) continue;
    const value = work[c]! / (requests[c]! * unit[model[c]!]!);
    const [p, q] = [promptPerRequest[c]!, completionPerRequest[c]!];
    y[c] = value;
    const at = model[c]! * productsPerModel;
    products[at]! += w * p * p;
    products[at + 1]! += w * p * q;
    products[at + 2]! += w * q * q;
    products[at + 3]! += w * p;
    products[at + 4]! += w * q;
    products[at + 5]! += w;
    products[at + 6]! += w * p * value;
    products[at + 7]! += w * q * value;
    products[at + 8]! += w * value;
  }
}

/** Coefficients on prompt, completion and fee, and the matrix of the leverage's quadratic form in them. */
export interface TariffFit {
  coefficients: [number, number, number];
  /** pp, pq, qq, p, q, 1. */
  form: [number, number, number, number, number, number];
}

/** One model's fit from its products; `null` where its cells do not determine the prices. */
export function fitTariff(tariff: Tariff, products: Float64Array): TariffFit | null {
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
