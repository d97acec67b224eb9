/** Below this share of the pooled variance an estimate says that its few values happen to agree. */
const smallestShare = 1e-4;

export interface ShrunkVariances {
  variances: Float64Array;
  /** Degrees of freedom that each of them is worth: its own and those it borrows. */
  freedom: Float64Array;
}

/**
 * Group variances from sums of squares with their degrees of freedom, each between its own estimate and the
 * pooled one, by empirical Bayes on the log scale (after Smyth 2004, with a lognormal prior): log s² errs
 * with the known variance ψ′(df/2), and what the estimates spread beyond that is true difference. Equal
 * groups all get the pooled variance. Scaled so that Σ df·variance is Σ squares.
 *
 * A shrunk variance is worth the degrees d with ψ′(d/2) = the variance that its logarithm is left with, and
 * never more than all groups have together. Fills `into`.
 */
export function shrinkVariances(
  squares: Float64Array,
  df: Float64Array,
  into: ShrunkVariances = {
    variances: new Float64Array(squares.length),
    freedom: new Float64Array(squares.length),
  },
): ShrunkVariances {
  const { variances, freedom } = into;
  let [squaresSum, all] = [0, 0];
  for (let c = 0; c < squares.length; c++) {
    squaresSum += squares[c]!;
    all += df[c]!;
  }
  const shared = (variance: number) => {
    variances.fill(variance);
    freedom.fill(all);
    return into;
  };
  const pooled = squaresSum / all;
  if (!(pooled > 0)) return shared(0);
  // Holds each group's centre on the log scale first, and its variance in the end.
  const center = variances;
  const logError = logErrors();
  let [weights, mean] = [0, 0];
  for (let c = 0; c < squares.length; c++) {
    if (!(df[c]! > 0)) continue;
    const { bias, variance } = logError(df[c]!);
    const ratio = Math.max(smallestShare, squares[c]! / df[c]! / pooled);
    center[c] = Math.log(ratio) - bias;
    weights += 1 / variance;
    mean += center[c]! / variance;
  }
  mean /= weights;
  // DerSimonian & Laird's estimate of the variance between groups.
  let [spread, groups, squaredWeights] = [0, 0, 0];
  for (let c = 0; c < squares.length; c++) {
    if (!(df[c]! > 0)) continue;
    const { variance } = logError(df[c]!);
    spread += (center[c]! - mean) ** 2 / variance;
    squaredWeights += 1 / variance ** 2;
    groups++;
  }
  // One group has nothing to lend or to borrow, and rounding alone would say how much.
  if (groups < 2) return shared(pooled);
  const between = (spread - (groups - 1)) / (weights - squaredWeights / weights);
  if (!(between > 0)) return shared(pooled);

  let shrunk = 0;
  const worth = new Map<number, number>();
  for (let c = 0; c < squares.length; c++) {
    const own = df[c]! > 0 ? logError(df[c]!).variance : Number.POSITIVE_INFINITY;
    const left = 1 / (1 / between + 1 / own);
    variances[c] = Math.exp(left * (mean / between + (df[c]! > 0 ? center[c]! / own : 0)) + left / 2);
    let degrees = worth.get(df[c]!);
    if (degrees === undefined) {
      degrees = Math.min(all, 2 * inverseTrigamma(left));
      worth.set(df[c]!, degrees);
    }
    freedom[c] = degrees;
    shrunk += df[c]! * variances[c]!;
  }
  const scale = squaresSum / shrunk;
  for (let c = 0; c < squares.length; c++) variances[c]! *= scale;
  return into;
}

/** Bias and variance of log s² by its degrees of freedom, of which groups have few different ones. */
function logErrors(): (df: number) => { bias: number; variance: number } {
  const known = new Map<number, { bias: number; variance: number }>();
  return (df) => {
    let error = known.get(df);
    if (error === undefined) {
      error = { bias: digamma(df / 2) - Math.log(df / 2), variance: trigamma(df / 2) };
      known.set(df, error);
    }
    return error;
  };
}

/** Digamma ψ(x) for x > 0: shifted above 10 by ψ(x) = ψ(x+1) − 1/x, then the asymptotic series (DLMF 5.11.2). */
export function digamma(x: number): number {
  let shifted = x;
  let sum = 0;
  for (; shifted < 10; shifted++) sum -= 1 / shifted;
  const square = 1 / (shifted * shifted);
  const series =
    square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square / 132))));
  return sum + Math.log(shifted) - 1 / (2 * shifted) - series;
}

/** Trigamma ψ′(x) for x > 0, likewise (DLMF 5.15.8). */
export function trigamma(x: number): number {
  let shifted = x;
  let sum = 0;
  for (; shifted < 10; shifted++) sum += 1 / (shifted * shifted);
  const inverse = 1 / shifted;
  const square = inverse * inverse;
  const series =
    inverse *
    (1 +
      inverse / 2 +
      square * (1 / 6 - square * (1 / 30 - square * (1 / 42 - square * (1 / 30 - (5 * square) / 66)))));
  return sum + series;
}

/** The x with ψ′(x) = `value` (above 0), by bisection of its logarithm: 1/x < ψ′(x) < 1/x + 1/x². */
export function inverseTrigamma(value: number): number {
  let low = -Math.log(value);
  let high = Math.log((1 + Math.sqrt(1 + 4 * value)) / (2 * value));
  for (let halving = 0; halving < 60; halving++) {
    const middle = (low + high) / 2;
    if (trigamma(Math.exp(middle)) > value) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}
