/** A difference of two sides under a drifting pace, by Gaussian process regression. Numbers in, numbers out. */
import { studentTUpperTail } from '../../stats/student-t.js';

/** Rounds in order of time: when, of which side, and the logarithm of their pace. */
export interface PaceSeries {
  at: readonly number[];
  candidate: readonly boolean[];
  logPace: readonly number[];
}

export interface DriftEstimate {
  /** The drift at each round; 0 throughout where it can't be told from the difference of the sides. */
  drift: number[];
  /** How far drift moves the logarithm of the ratio of the sides, over the noise of rounds: farther with probability `tail`. */
  reach(tail: number): number;
}

/** Correlations of drift over a distance in time, in lengths: rough as an Ornstein–Uhlenbeck process, and smooth. */
const correlations = [(u: number) => Math.exp(-u), (u: number) => Math.exp((-u * u) / 2)];
/** Lengths of correlation, in the time from the first round to the last. */
const lengths = [0.1, 0.2, 0.4, 0.8, 1.6];
/** Variances of drift over that of a round: none, and 0.01 to 10,000. */
const ratiosOfVariance = [0, ...Array.from({ length: 10 }, (_, k) => 10 ** (-2 + (k * 2) / 3))];

/** One form of drift, with the difference of the sides under it. */
interface Fit {
  logLikelihood: number;
  difference: number;
  driftVariance: number;
  drift: Float64Array;
}

/**
 * Estimates slow drift from rounds of two sides: y = side + drift + noise of the round, drift a Gaussian process. Its
 * form, length and size are averaged over by their restricted likelihood (Patterson & Thompson 1971), each as likely
 * beforehand, so that what few rounds cannot exclude widens the reach.
 *
 * @param inTurn the sides alternate in time, so that drift is estimated and taken out; otherwise it stays in the
 *   difference of the sides' means, whose error it is
 */
export function estimateDrift({ at, candidate, logPace }: PaceSeries, inTurn: boolean): DriftEstimate {
  const size = at.length;
  const side = Float64Array.from(candidate, Number);
  const pace = Float64Array.from(logPace);
  const span = Math.max(...at) - Math.min(...at);
  const after = side.reduce((sum, own) => sum + own, 0);
  const means = inTurn ? null : side.map((own) => (own === 1 ? 1 / after : -1 / (size - after)));
  const fits: Fit[] = [];
  for (const correlation of correlations) {
    for (const length of lengths) {
      const correlated = new Float64Array(size * size);
      for (let i = 0; i < size; i++)
        for (let j = 0; j < size; j++)
          correlated[i * size + j] = correlation(Math.abs(at[i]! - at[j]!) / (length * span));
      for (const ratio of ratiosOfVariance) {
        // Without drift its form is one.
        if (ratio === 0 && fits.length > 0) continue;
        fits.push(fitted(correlated, ratio, side, pace, means));
      }
    }
  }
  const best = Math.max(...fits.map(({ logLikelihood }) => logLikelihood));
  const weights = fits.map(({ logLikelihood }) => Math.exp(logLikelihood - best));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mixture = fits.flatMap((fit, k) =>
    weights[k]! < 1e-5 * total ? [] : [{ ...fit, weight: weights[k]! / total }],
  );
  const mean = inTurn
    ? mixture.reduce((sum, { weight, difference }) => sum + weight * difference, 0)
    : mixture[0]!.difference;
  const beyond = (reach: number) =>
    mixture.reduce((sum, { weight, difference, driftVariance }) => {
      const [off, error] = [difference - mean, Math.sqrt(driftVariance)];
      if (error < 1e-15) return sum + (Math.abs(off) > reach ? weight : 0);
      const tail = (distance: number) => studentTUpperTail(distance / error, size - 2);
      return sum + weight * (off === 0 ? 2 * tail(reach) : tail(reach - off) + tail(reach + off));
    }, 0);
  return {
    drift: Array.from({ length: size }, (_, i) =>
      inTurn ? mixture.reduce((sum, { weight, drift }) => sum + weight * drift[i]!, 0) : 0,
    ),
    reach: (tail) => {
      if (beyond(0) <= tail) return 0;
      let [low, high] = [0, 1e-4];
      while (beyond(high) > tail) high *= 2;
      for (let halving = 0; halving < 14; halving++) {
        const middle = (low + high) / 2;
        if (beyond(middle) > tail) low = middle;
        else high = middle;
      }
      return high;
    },
  };
}

/** Generalised least squares of pace on side, its errors correlated noise of `ratio` and a round's own of 1. */
function fitted(
  correlated: Float64Array,
  ratio: number,
  side: Float64Array,
  pace: Float64Array,
  means: Float64Array | null,
): Fit {
  const size = side.length;
  const covariance = correlated.map((value, k) => ratio * value + (k % (size + 1) === 0 ? 1 : 0));
  const logDeterminant = choleskyInPlace(covariance, size);
  const white = (values: Float64Array) => solveLower(covariance, values);
  const [ones, sides, paces] = [white(new Float64Array(size).fill(1)), white(side), white(pace)];
  const [oo, os, ss] = [dot(ones, ones), dot(ones, sides), dot(sides, sides)];
  const [oy, sy] = [dot(ones, paces), dot(sides, paces)];
  const determinant = oo * ss - os * os;
  const level = (ss * oy - os * sy) / determinant;
  const difference = (oo * sy - os * oy) / determinant;
  const residuals = paces.map((own, i) => own - level * ones[i]! - difference * sides[i]!);
  const squares = dot(residuals, residuals);
  const weights =
    means ??
    solveUpper(
      covariance,
      sides.map((own, i) => (oo * own - os * ones[i]!) / determinant),
    );
  // Rounds next to the other side's count for more than those amid their own, which averages less of their noise.
  const unequal = Math.max(0, dot(weights, weights) - 1 / dot(side, side) - 1 / (size - dot(side, side)));
  const drift = product(correlated, solveUpper(covariance, residuals)).map((own) => ratio * own);
  return {
    logLikelihood:
      -(logDeterminant + Math.log(determinant) + (size - 2) * Math.log(Math.max(squares, 1e-300))) / 2,
    difference: means === null ? difference : dot(means, pace),
    driftVariance: (squares / (size - 2)) * (ratio * dot(weights, product(correlated, weights)) + unequal),
    drift,
  };
}

/** Replaces a symmetric positive definite matrix by its lower Cholesky factor; the log of its determinant. */
function choleskyInPlace(matrix: Float64Array, size: number): number {
  let logDeterminant = 0;
  for (let j = 0; j < size; j++) {
    let square = matrix[j * size + j]!;
    for (let k = 0; k < j; k++) square -= matrix[j * size + k]! ** 2;
    const diagonal = Math.sqrt(square);
    matrix[j * size + j] = diagonal;
    logDeterminant += 2 * Math.log(diagonal);
    for (let i = j + 1; i < size; i++) {
      let sum = matrix[i * size + j]!;
      for (let k = 0; k < j; k++) sum -= matrix[i * size + k]! * matrix[j * size + k]!;
      matrix[i * size + j] = sum / diagonal;
    }
  }
  return logDeterminant;
}

function solveLower(factor: Float64Array, values: Float64Array): Float64Array {
  const size = values.length;
  const solved = Float64Array.from(values);
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < i; k++) solved[i]! -= factor[i * size + k]! * solved[k]!;
    solved[i]! /= factor[i * size + i]!;
  }
  return solved;
}

function solveUpper(factor: Float64Array, values: Float64Array): Float64Array {
  const size = values.length;
  const solved = Float64Array.from(values);
  for (let i = size - 1; i >= 0; i--) {
    for (let k = i + 1; k < size; k++) solved[i]! -= factor[k * size + i]! * solved[k]!;
    solved[i]! /= factor[i * size + i]!;
  }
  return solved;
}

function product(matrix: Float64Array, values: Float64Array): Float64Array {
  const size = values.length;
  return values.map((_, i) => {
    let sum = 0;
    for (let j = 0; j < size; j++) sum += matrix[i * size + j]! * values[j]!;
    return sum;
  });
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
