import { digamma, trigamma } from './polygamma.js';

/** Below this share of the pooled variance an estimate says that its few values happen to agree. */
const smallestShare = 1e-4;

/**
 * Group variances from sums of squares with their degrees of freedom, each between its own estimate and the
 * pooled one, by empirical Bayes on the log scale (after Smyth 2004, with a lognormal prior): log s² errs
 * with the known variance ψ′(df/2), and what the estimates spread beyond that is true difference. Equal
 * groups all get the pooled variance. Scaled so that Σ df·variance is Σ squares.
 */
export function shrinkVariances(squares: Float64Array, df: Float64Array): Float64Array {
  const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
  const pooled = sum(squares) / sum(df);
  if (!(pooled > 0)) return new Float64Array(squares.length);
  const center = new Float64Array(squares.length);
  const error = new Float64Array(squares.length);
  let [weights, mean] = [0, 0];
  for (let c = 0; c < squares.length; c++) {
    if (!(df[c]! > 0)) continue;
    const half = df[c]! / 2;
    error[c] = trigamma(half);
    const ratio = Math.max(smallestShare, squares[c]! / df[c]! / pooled);
    center[c] = Math.log(ratio) - (digamma(half) - Math.log(half));
    weights += 1 / error[c]!;
    mean += center[c]! / error[c]!;
  }
  mean /= weights;
  // DerSimonian & Laird's estimate of the variance between groups.
  let [spread, groups, squaredWeights] = [0, 0, 0];
  for (let c = 0; c < squares.length; c++) {
    if (error[c] === 0) continue;
    spread += (center[c]! - mean) ** 2 / error[c]!;
    squaredWeights += 1 / error[c]! ** 2;
    groups++;
  }
  // One group has nothing to lend or to borrow, and rounding alone would say how much.
  if (groups < 2) return new Float64Array(squares.length).fill(pooled);
  const between = (spread - (groups - 1)) / (weights - squaredWeights / weights);
  if (!(between > 0)) return new Float64Array(squares.length).fill(pooled);

  const variances = center.map((own, c) => {
    if (error[c] === 0) return Math.exp(mean + between / 2);
    const left = 1 / (1 / between + 1 / error[c]!);
    return Math.exp(left * (mean / between + own / error[c]!) + left / 2);
  });
  const scale = sum(squares) / variances.reduce((total, variance, c) => total + df[c]! * variance, 0);
  return variances.map((variance) => variance * scale);
}
