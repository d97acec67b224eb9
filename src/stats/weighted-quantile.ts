/**
 * The quantile at `probability` (0–1) of weighted values: Hyndman & Fan's type 7 with Kish's effective number of
 * values n = (Σw)²/Σw² in place of their count (Akinshin 2023, "Weighted quantile estimators"). It is blind to
 * the weights' scale, so that a sample repeated has the quantiles of the sample, and with equal weights it is
 * `quantile`. Where values stand for several, `size` says for how many. `order` lists the positions by rising
 * value. `NaN` where all weights are 0.
 */
export function weightedQuantile(
  values: ArrayLike<number>,
  weights: ArrayLike<number>,
  order: ArrayLike<number>,
  probability: number,
  size = effectiveSize(weights),
): number {
  let total = 0;
  for (let i = 0; i < weights.length; i++) total += weights[i]!;
  if (!(total > 0)) return Number.NaN;
  // The mean of the values' step function over a window of one value's width.
  const from = ((size - 1) * probability) / size;
  const to = from + 1 / size;
  let [sum, covered, passed] = [0, 0, 0];
  for (let k = 0; k < order.length; k++) {
    const i = order[k]!;
    const before = passed / total;
    passed += weights[i]!;
    const within = Math.min(to, passed / total) - Math.max(from, before);
    if (within <= rounding / size) continue;
    sum += within * values[i]!;
    covered += within;
    if (passed / total >= to) break;
  }
  return sum / covered;
}

/** Slivers of a window that rounding leaves at its ends. */
const rounding = 1e-9;

/** (Σw)²/Σw²: how many equal weights are as uneven as these (Kish 1965). 0 where all are 0. */
export function effectiveSize(weights: ArrayLike<number>): number {
  let [sum, squares] = [0, 0];
  for (let i = 0; i < weights.length; i++) {
    sum += weights[i]!;
    squares += weights[i]! ** 2;
  }
  return squares === 0 ? 0 : sum ** 2 / squares;
}
