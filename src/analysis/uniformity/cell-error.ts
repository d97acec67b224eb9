import { combinedVariance, reachOf, type VarianceEstimate } from '../../stats/combined-variance.js';
import type { CellFigures } from './cell-totals.js';
import type { Noise } from './within-cell-noise.js';

/** An interval wider than this each way says nothing that two or three repetitions do not say better. */
const widestFactor = 10;

/** The factor by which an interval reaches each way; `null` where it is not bounded within a power of ten. */
export function factorOf(estimate: VarianceEstimate, level?: number): number | null {
  const factor = Math.exp(reachOf(estimate, level));
  return factor <= widestFactor ? factor : null;
}

/**
 * Variance of the logarithm of a cell's mean work by its own noise, ln(1 + (exp σ² − 1)/n) (Fenton 1960), and by
 * attribution, which errs alike in all of its requests.
 */
function ownVariance(noise: Noise, { requests }: CellFigures, c: number): VarianceEstimate {
  const repeated = {
    variance: Math.log1p(Math.expm1(noise.cellSigma[c]! ** 2) / requests[c]!),
    freedom: noise.cellFreedom[c]!,
  };
  if (noise.attribution === null) return repeated;
  return combinedVariance([
    repeated,
    { variance: noise.attribution[c]! ** 2, freedom: Number.POSITIVE_INFINITY },
  ]);
}

/** A cell's work by itself, and not beside another's: what its rounds drifted is in it. */
export function absoluteVariance(noise: Noise, totals: CellFigures, c: number): VarianceEstimate {
  const own = ownVariance(noise, totals, c);
  if (noise.rounds === null) return own;
  const { sigma, count } = noise.rounds;
  return combinedVariance([own, { variance: sigma ** 2 / count, freedom: count - 1 }]);
}

/**
 * The ratio of two cells' work, whose errors add. What their rounds drifted falls on both, but where one of
 * them missed a round.
 */
export function ratioVariance(noise: Noise, totals: CellFigures, c: number, other: number): VarianceEstimate {
  if (c === other) return { variance: 0, freedom: Number.POSITIVE_INFINITY };
  const { variance, freedom } = combinedVariance([
    ownVariance(noise, totals, c),
    ownVariance(noise, totals, other),
    ...driftApart(noise, (round, rounds) => {
      const { share } = noise.drift!;
      return share[c * rounds + round]! - share[other * rounds + round]!;
    }),
  ]);
  // Cells that share one pooled variance know it no better for being two.
  return { variance, freedom: Math.min(noise.degreesOfFreedom, freedom) };
}

/**
 * The factor each way of one price per token within which noise alone would have put 95% of the run's requests, were
 * every token to cost that. How slow each round was is no guess, as they all were seen.
 */
export function requestBand({ sigma, degreesOfFreedom, rounds, attribution }: Noise): number {
  const attributed =
    attribution === null ? 0 : attribution.reduce((sum, own) => sum + own ** 2, 0) / attribution.length;
  const drifted = rounds === null ? 0 : (rounds.sigma ** 2 * (rounds.count - 1)) / rounds.count;
  return Math.exp(
    reachOf(
      combinedVariance([
        { variance: sigma ** 2, freedom: degreesOfFreedom },
        { variance: drifted + attributed, freedom: Number.POSITIVE_INFINITY },
      ]),
    ),
  );
}

function driftApart({ drift }: Noise, apart: (round: number, rounds: number) => number): VarianceEstimate[] {
  if (drift === null) return [];
  let squares = 0;
  for (let round = 0; round < drift.rounds; round++) squares += apart(round, drift.rounds) ** 2;
  return [{ variance: drift.sigma ** 2 * squares, freedom: drift.rounds - 1 }];
}
