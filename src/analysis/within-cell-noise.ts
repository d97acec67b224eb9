import { sum } from '../stats/sum.js';
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

/** Room for the residuals of a run's requests, which every metric and every stage left out fills anew. */
export interface NoiseScratch {
  entryOfCell: Int32Array;
  entry: Uint32Array;
  round: Uint32Array;
  value: Float64Array;
  /** By cell. */
  freedom: Float64Array;
  precision: Float64Array;
  squares: Float64Array;
  mean: Float64Array;
}

export function noiseScratch({ cells, cell }: Observations): NoiseScratch {
  return {
    entryOfCell: new Int32Array(cells.length),
    entry: new Uint32Array(cell.length),
    round: new Uint32Array(cell.length),
    value: new Float64Array(cell.length),
    freedom: new Float64Array(cells.length),
    precision: new Float64Array(cells.length),
    squares: new Float64Array(cells.length),
    mean: new Float64Array(cells.length),
  };
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
  scratch = noiseScratch(observations),
): Noise | null {
  const size = totals.work.length;
  const measured = sum(totals.requests);
  // Rounds as many as the requests are no rounds: a cell repeated without any plan.
  const rounds = observations.rounds * 4 <= measured ? observations.rounds : 1;
  const degreesOfFreedom = measured - size - (rounds - 1);
  if (degreesOfFreedom < 1) return null;
  const residuals = logRates(observations, totals, work, rounds, scratch);
  if (residuals === null) return null;
  const [freedom, precision, squares, mean] = [
    scratch.freedom.subarray(0, size),
    scratch.precision.subarray(0, size).fill(1),
    scratch.squares.subarray(0, size),
    scratch.mean.subarray(0, size),
  ];
  for (let c = 0; c < size; c++) {
    freedom[c] = ((totals.requests[c]! - 1) * degreesOfFreedom) / (measured - size);
  }

  const roundMean = removeMeans(residuals, totals, precision, mean);
  squaresByCell(residuals, squares);
  // Repetitions of a deterministic metric leave rounding, which is no noise.
  if (pooledSigma(squares, degreesOfFreedom) < 1e-9) return { ...noNoise(totals), degreesOfFreedom };
  let variances = shrinkVariances(squares, freedom);
  if (rounds > 1) {
    // Loud cells would spoil the rounds' means for the quiet ones: once more, by precision.
    for (let c = 0; c < size; c++) precision[c] = 1 / variances[c]!;
    const more = removeMeans(residuals, totals, precision, mean);
    for (let k = 0; k < rounds; k++) roundMean[k]! += more[k]!;
    squaresByCell(residuals, squares);
    variances = shrinkVariances(squares, freedom);
  }
  const cellSigma = variances;
  for (let c = 0; c < size; c++) cellSigma[c] = Math.sqrt(variances[c]!);
  return {
    degreesOfFreedom,
    sigma: pooledSigma(squares, degreesOfFreedom),
    cellSigma,
    tails: fitTails(residuals, totals, cellSigma),
    drift: driftOf(residuals, totals, roundMean),
  };
}

function squaresByCell({ entry, value }: Residuals, squares: Float64Array): void {
  squares.fill(0);
  for (let i = 0; i < value.length; i++) squares[entry[i]!]! += value[i]! * value[i]!;
}

function pooledSigma(squares: Float64Array, degreesOfFreedom: number): number {
  return Math.sqrt(sum(squares) / degreesOfFreedom);
}

interface Residuals {
  entry: Uint32Array;
  round: Uint32Array;
  rounds: number;
  value: Float64Array;
}

function logRates(
  { cell, round: roundOf, promptTokens, completionTokens }: Observations,
  totals: CellTotals,
  work: Float64Array,
  rounds: number,
  { entryOfCell, entry, round, value }: NoiseScratch,
): Residuals | null {
  entryOfCell.fill(-1);
  for (let k = 0; k < totals.cell.length; k++) entryOfCell[totals.cell[k]!] = k;
  let filled = 0;
  for (let i = 0; i < work.length; i++) {
    const index = entryOfCell[cell[i]!]!;
    if (index < 0 || Number.isNaN(work[i]!)) continue;
    const tokens = promptTokens[i]! + completionTokens[i]!;
    if (work[i] === 0 || tokens === 0) return null;
    entry[filled] = index;
    round[filled] = rounds === 1 ? 0 : roundOf[i]!;
    value[filled++] = Math.log(work[i]! / tokens);
  }
  return {
    entry: entry.subarray(0, filled),
    round: round.subarray(0, filled),
    rounds,
    value: value.subarray(0, filled),
  };
}

/**
 * Takes cell and round means out of `value` in turns (which converges fast), and returns the rounds', in
 * which each cell weighs as its precision. `cellMean` is room for the cells'.
 */
function removeMeans(
  { entry, round, rounds, value }: Residuals,
  { requests }: CellTotals,
  precision: Float64Array,
  cellMean: Float64Array,
): Float64Array {
  const inRound = new Float64Array(rounds);
  for (let i = 0; i < round.length; i++) inRound[round[i]!]! += precision[entry[i]!]!;
  const roundMean = new Float64Array(rounds);
  const mean = new Float64Array(rounds);
  cellMean.fill(0);
  for (let i = 0; i < value.length; i++) cellMean[entry[i]!]! += value[i]! / requests[entry[i]!]!;
  for (let pass = 0; pass < (rounds > 1 ? 6 : 1); pass++) {
    mean.fill(0);
    for (let i = 0; i < value.length; i++) {
      const [cell, own] = [entry[i]!, round[i]!];
      value[i]! -= cellMean[cell]!;
      mean[own]! += (precision[cell]! * value[i]!) / inRound[own]!;
    }
    if (rounds === 1) break;
    // The next pass's cell means are taken on the way.
    cellMean.fill(0);
    for (let i = 0; i < value.length; i++) {
      value[i]! -= mean[round[i]!]!;
      cellMean[entry[i]!]! += value[i]! / requests[entry[i]!]!;
    }
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
    const square = standard * standard;
    fourth += square * square;
    second += square;
    // A residual mixes its cell's n errors, which brings its kurtosis nearer to the normal's.
    dampening += kept * kept + (n - 1) / (n * n * n * n * kept * kept);
    count++;
  }
  const kurtosis = (fourth / count / (second / count) ** 2 - 3) / (dampening / count);
  return kurtosis > 2 * Math.sqrt(24 / count) ? 4 + 6 / kurtosis : null;
}

/** The round shares of a large unbalanced design take memory that nothing they say is worth. */
const largestShareTable = 4_000_000;

function driftOf(
  { entry, round, rounds }: Residuals,
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
