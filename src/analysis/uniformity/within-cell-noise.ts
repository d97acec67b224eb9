import { sum } from '../../stats/sum.js';
import { shrinkVariances } from '../../stats/variance-shrinkage.js';
import type { RequestTable } from '../requests/request-table.js';
import type { CellTotals } from './cell-totals.js';

/** The difference between repetitions of one cell, on the log scale of work per token. */
export interface Noise {
  /** Degrees of freedom of the pooled standard deviation; infinite for a metric that is computed and not measured. */
  degreesOfFreedom: number;
  /** Pooled over cells. */
  sigma: number;
  /** Per entry of the totals: the cell's own standard deviation, shrunk towards the pooled one. */
  cellSigma: Float64Array;
  /** Degrees of freedom that the cell's standard deviation is worth, own and borrowed. */
  cellFreedom: Float64Array;
  /**
   * The cell's standard deviation by its own repetitions alone, with its degrees of freedom; the shrunk one of a cell
   * without any. A sum over cells errs by the sum of their variances, of which only their own are unbiased where it is
   * the heavy cells that are loud.
   */
  ownSigma: Float64Array;
  ownFreedom: Float64Array;
  /** Standard deviation of what the cells of a round share, and of how many rounds; null where there is one. */
  rounds: { sigma: number; count: number } | null;
  /** Degrees of freedom of the Student t that fits the residuals' tails; null where the normal does. */
  tails: number | null;
  /** Drift that all cells of a round share, where rounds do not fall on all cells alike; null where they do. */
  drift: {
    sigma: number;
    rounds: number /** Share of each cell's requests in each round, row by row. */;
    share: Float64Array;
  } | null;
  /** Standard deviation, per entry, of how far attributed work is out for all of a cell's requests alike; null where it is read. */
  attribution: Float64Array | null;
}

/** A computed metric: its repetitions cannot differ. */
export function noNoise(totals: CellTotals): Noise {
  const size = totals.work.length;
  return {
    degreesOfFreedom: Number.POSITIVE_INFINITY,
    sigma: 0,
    cellSigma: new Float64Array(size),
    cellFreedom: new Float64Array(size).fill(Number.POSITIVE_INFINITY),
    ownSigma: new Float64Array(size),
    ownFreedom: new Float64Array(size).fill(Number.POSITIVE_INFINITY),
    rounds: null,
    tails: null,
    drift: null,
    attribution: null,
  };
}

/**
 * What attribution adds to the error of each cell's work, on the log scale. Requests of a cell are charged by the same
 * costs, so their errors are one error, of the size that their intervals have, however many they are.
 */
export function attributionOf(
  { cells, cell }: Pick<RequestTable, 'cells' | 'cell'>,
  totals: CellTotals,
  work: Float64Array,
  errors: Float64Array | undefined,
): Float64Array | null {
  if (errors === undefined) return null;
  const amounts = new Float64Array(cells.length);
  for (let i = 0; i < work.length; i++) if (work[i]! > 0) amounts[cell[i]!]! += errors[i]! * work[i]!;
  return totals.work.map((all, c) =>
    all > 0 ? Math.sqrt(Math.log1p((amounts[totals.cell[c]!]! / all) ** 2)) : 0,
  );
}

/**
 * Estimates the noise from the residuals of log work per token around the means of cells and of rounds
 * (the machine's drift between rounds is common to all cells and cancels in their shares). `null` where no
 * cell was repeated, or where a value is 0 and has no logarithm. `errors`: of attributed work, as the table has them.
 */
export function estimateNoise(
  table: RequestTable,
  totals: CellTotals,
  work: Float64Array,
  errors?: Float64Array,
): Noise | null {
  const size = totals.work.length;
  const measured = sum(totals.requests);
  // Rounds as many as the requests are no rounds: a cell repeated without any plan.
  const rounds = table.rounds * 4 <= measured ? table.rounds : 1;
  const degreesOfFreedom = measured - size - (rounds - 1);
  if (degreesOfFreedom < 1) return null;
  const residuals = logRates(table, totals, work, rounds);
  if (residuals === null) return null;
  const [freedom, squares, mean] = [new Float64Array(size), new Float64Array(size), new Float64Array(size)];
  const precision = new Float64Array(size).fill(1);
  for (let c = 0; c < size; c++) {
    freedom[c] = ((totals.requests[c]! - 1) * degreesOfFreedom) / (measured - size);
  }

  const roundMean = removeMeans(residuals, totals, precision, mean);
  squaresByCell(residuals, squares);
  // Repetitions of a deterministic metric leave rounding, which is no noise.
  const attribution = attributionOf(table, totals, work, errors);
  if (pooledSigma(squares, degreesOfFreedom) < 1e-9) {
    return { ...noNoise(totals), degreesOfFreedom, attribution };
  }
  const shrunk = shrinkVariances(squares, freedom);
  const { variances } = shrunk;
  if (rounds > 1) {
    // Loud cells would spoil the rounds' means for the quiet ones: once more, by precision.
    for (let c = 0; c < size; c++) precision[c] = 1 / variances[c]!;
    const more = removeMeans(residuals, totals, precision, mean);
    for (let k = 0; k < rounds; k++) roundMean[k]! += more[k]!;
    squaresByCell(residuals, squares);
    shrinkVariances(squares, freedom, shrunk);
  }
  const cellSigma = variances.map(Math.sqrt);
  const roundSigma = rounds < 2 ? 0 : deviationOf(roundMean);
  return {
    degreesOfFreedom,
    sigma: pooledSigma(squares, degreesOfFreedom),
    cellSigma,
    cellFreedom: shrunk.freedom,
    ownSigma: cellSigma.map((sigma, c) => (freedom[c]! > 0 ? Math.sqrt(squares[c]! / freedom[c]!) : sigma)),
    ownFreedom: freedom.map((own, c) => (own > 0 ? own : shrunk.freedom[c]!)),
    rounds: rounds < 2 ? null : { sigma: roundSigma, count: rounds },
    tails: fitTails(residuals, totals, cellSigma),
    drift: driftOf(residuals, totals, roundSigma),
    attribution,
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
  { cells, cell, round: roundOf, promptTokens, completionTokens }: RequestTable,
  totals: CellTotals,
  work: Float64Array,
  rounds: number,
): Residuals | null {
  const [entry, round] = [new Uint32Array(cell.length), new Uint32Array(cell.length)];
  const value = new Float64Array(cell.length);
  // Counted from 1: 0 is a cell that is not in the totals.
  const entryOfCell = new Uint32Array(cells.length);
  for (let k = 0; k < totals.cell.length; k++) entryOfCell[totals.cell[k]!] = k + 1;
  let filled = 0;
  for (let i = 0; i < work.length; i++) {
    const index = entryOfCell[cell[i]!]! - 1;
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

/** A round's mean that moves logarithms by less than this moves nothing; a balanced design's second does. */
const settled = 1e-13;

/**
 * Takes cell and round means out of `value` in turns (which converges fast), and returns the rounds', in
 * which each cell weighs as its precision. `cellMean` holds the cells'.
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
    let farthest = 0;
    for (let k = 0; k < rounds; k++) {
      roundMean[k]! += mean[k]!;
      farthest = Math.max(farthest, Math.abs(mean[k]!));
    }
    if (farthest < settled) {
      for (let i = 0; i < value.length; i++) value[i]! -= cellMean[entry[i]!]!;
      break;
    }
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

function driftOf({ entry, round, rounds }: Residuals, totals: CellTotals, sigma: number): Noise['drift'] {
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
  return { sigma, rounds, share };
}

function deviationOf(values: Float64Array): number {
  const mean = sum(values) / values.length;
  const squares = values.reduce((total, value) => total + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}
