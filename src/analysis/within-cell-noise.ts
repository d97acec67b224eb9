import { shrinkVariances } from '../stats/variance-shrinkage.js';
import type { CellTotals } from './cell-totals.js';
import type { Observations } from './observations.js';

/** What repetitions of one cell differ by, on the log scale of work per token. */
export interface Noise {
  /** Of the pooled standard deviation; infinite for a metric that is computed and not measured. */
  degreesOfFreedom: number;
  /** Pooled over cells. */
  sigma: number;
  /** Per entry of the totals: the cell's own standard deviation, shrunk towards the pooled one. */
  cellSigma: Float64Array;
  /** Degrees of freedom of the Student t that fits the residuals' tails; null where the normal does. */
  tails: number | null;
  /** What all cells of a round share, where rounds do not fall on all cells alike; null where they do. */
  drift: {
    sigma: number;
    rounds: number /** Share of each cell's requests in each round, row by row. */;
    share: Float64Array;
  } | null;
}

/** A computed metric: its repetitions cannot differ. */
export function noNoise(totals: CellTotals): Noise {
  const cellSigma = new Float64Array(totals.work.length);
  return { degreesOfFreedom: Number.POSITIVE_INFINITY, sigma: 0, cellSigma, tails: null, drift: null };
}

/**
 * Estimates the noise from the residuals of log work per token around the means of cells and of rounds
 * (the machine's drift between rounds is common to all cells and cancels in their shares). `null` where no
 * cell was repeated, or where a value is 0 and has no logarithm.
 */
export function estimateNoise(
  observations: Observations,
  totals: CellTotals,
  work: Float64Array,
): Noise | null {
  const residuals = logRates(observations, totals, work);
  if (residuals === null) return null;
  const { entry, round, value, rounds } = residuals;
  const size = totals.work.length;
  const degreesOfFreedom = value.length - size - (rounds - 1);
  if (degreesOfFreedom < 1) return null;
  const freedom = totals.requests.map((n) => ((n - 1) * degreesOfFreedom) / (value.length - size));

  const roundMean = removeMeans(residuals, totals, new Float64Array(size).fill(1));
  let squares = squaresByCell(residuals, size);
  // Repetitions of a deterministic metric leave rounding, which is no noise.
  if (pooledSigma(squares, degreesOfFreedom) < 1e-9) return { ...noNoise(totals), degreesOfFreedom };
  let variances = shrinkVariances(squares, freedom);
  if (rounds > 1) {
    // Loud cells would spoil the rounds' means for the quiet ones: once more, by precision.
    const more = removeMeans(
      residuals,
      totals,
      variances.map((variance) => 1 / variance),
    );
    for (let k = 0; k < rounds; k++) roundMean[k]! += more[k]!;
    squares = squaresByCell(residuals, size);
    variances = shrinkVariances(squares, freedom);
  }
  const sigma = pooledSigma(squares, degreesOfFreedom);
  const cellSigma = variances.map(Math.sqrt);
  return {
    degreesOfFreedom,
    sigma,
    cellSigma,
    tails: fitTails(residuals, totals, cellSigma),
    drift: driftOf(entry, round, rounds, totals, roundMean),
  };
}

function squaresByCell({ entry, value }: Residuals, size: number): Float64Array {
  const squares = new Float64Array(size);
  for (let i = 0; i < value.length; i++) squares[entry[i]!]! += value[i]! ** 2;
  return squares;
}

function pooledSigma(squares: Float64Array, degreesOfFreedom: number): number {
  return Math.sqrt(squares.reduce((sum, value) => sum + value, 0) / degreesOfFreedom);
}

interface Residuals {
  entry: Uint32Array;
  round: Uint32Array;
  rounds: number;
  value: Float64Array;
}

function logRates(observations: Observations, totals: CellTotals, work: Float64Array): Residuals | null {
  const entryOfCell = new Int32Array(observations.cells.length).fill(-1);
  for (const [index, cell] of totals.cell.entries()) entryOfCell[cell] = index;
  const measured = totals.requests.reduce((sum, n) => sum + n, 0);
  const [entry, round] = [new Uint32Array(measured), new Uint32Array(measured)];
  const value = new Float64Array(measured);
  let filled = 0;
  for (let i = 0; i < work.length; i++) {
    const index = entryOfCell[observations.cell[i]!]!;
    if (index < 0 || Number.isNaN(work[i]!)) continue;
    const tokens = observations.promptTokens[i]! + observations.completionTokens[i]!;
    if (work[i] === 0 || tokens === 0) return null;
    entry[filled] = index;
    round[filled] = observations.round[i]!;
    value[filled++] = Math.log(work[i]! / tokens);
  }
  // Rounds as many as the requests are no rounds: a cell repeated without any plan.
  const rounds = observations.rounds * 4 <= measured ? observations.rounds : 1;
  if (rounds === 1) round.fill(0);
  return { entry, round, rounds, value };
}

/**
 * Takes cell and round means out of `value` in turns (which converges fast), and returns the rounds', in
 * which each cell weighs as its precision.
 */
function removeMeans(
  { entry, round, rounds, value }: Residuals,
  totals: CellTotals,
  precision: Float64Array,
): Float64Array {
  const inRound = new Float64Array(rounds);
  for (let i = 0; i < round.length; i++) inRound[round[i]!]! += precision[entry[i]!]!;
  const roundMean = new Float64Array(rounds);
  for (let pass = 0; pass < (rounds > 1 ? 6 : 1); pass++) {
    const cellMean = new Float64Array(totals.work.length);
    for (let i = 0; i < value.length; i++) cellMean[entry[i]!]! += value[i]! / totals.requests[entry[i]!]!;
    for (let i = 0; i < value.length; i++) value[i]! -= cellMean[entry[i]!]!;
    if (rounds === 1) break;
    const mean = new Float64Array(rounds);
    for (let i = 0; i < value.length; i++)
      mean[round[i]!]! += (precision[entry[i]!]! * value[i]!) / inRound[round[i]!]!;
    for (let i = 0; i < value.length; i++) value[i]! -= mean[round[i]!]!;
    for (let k = 0; k < rounds; k++) roundMean[k]! += mean[k]!;
  }
  return roundMean;
}

/** A Student t by its kurtosis, 3 + 6/(df − 4), where the residuals' exceeds 3 by twice its error. */
function fitTails({ entry, value }: Residuals, totals: CellTotals, cellSigma: Float64Array): number | null {
  let [fourth, second, dampening, count] = [0, 0, 0, 0];
  for (let i = 0; i < value.length; i++) {
    const n = totals.requests[entry[i]!]!;
    if (n < 2) continue;
    const kept = 1 - 1 / n;
    const standard = value[i]! / (cellSigma[entry[i]!]! * Math.sqrt(kept));
    fourth += standard ** 4;
    second += standard ** 2;
    // A residual mixes its cell's n errors, which brings its kurtosis nearer to the normal's.
    dampening += (kept ** 4 + (n - 1) / n ** 4) / kept ** 2;
    count++;
  }
  const kurtosis = (fourth / count / (second / count) ** 2 - 3) / (dampening / count);
  return kurtosis > 2 * Math.sqrt(24 / count) ? 4 + 6 / kurtosis : null;
}

/** The round shares of a large unbalanced design take memory that nothing they say is worth. */
const largestShareTable = 4_000_000;

function driftOf(
  entry: Uint32Array,
  round: Uint32Array,
  rounds: number,
  totals: CellTotals,
  roundMean: Float64Array,
): Noise['drift'] {
  const size = totals.work.length;
  if (rounds < 2 || size * rounds > largestShareTable) return null;
  const share = new Float64Array(size * rounds);
  for (let i = 0; i < entry.length; i++) {
    share[entry[i]! * rounds + round[i]!]! += 1 / totals.requests[entry[i]!]!;
  }
  let balanced = true;
  for (let at = rounds; at < share.length && balanced; at++) {
    balanced = Math.abs(share[at]! - share[at % rounds]!) < 1e-9;
  }
  if (balanced) return null;
  const mean = roundMean.reduce((sum, value) => sum + value, 0) / rounds;
  const squares = roundMean.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { sigma: Math.sqrt(squares / (rounds - 1)), rounds, share };
}
