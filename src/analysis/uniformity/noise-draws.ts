import { chiSquared, normalSource, scaledStudentSource } from '../../stats/normal.js';
import type { Random } from '../../stats/random.js';
import type { CellFigures } from './cell-totals.js';
import type { Noise } from './within-cell-noise.js';

/** Cells with more requests than this have the mean of their noise drawn at once, as a normal number. */
const drawnOneByOne = 24;
/** Beyond this many standard deviations a t's exponential would have no mean. */
const largestDeviation = 10;
/** One degree of freedom leaves the noise's size open without bound. */
const largestInflation = 10;

/**
 * A parametric bootstrap of the noise: every call fills `factors` with what each cell's summed work would
 * be multiplied by, were the run repeated; mean 1. Each call first draws the noise's own size from what its
 * estimate leaves open, so that few repetitions give wide bands, and returns how many times its estimate that is.
 */
export function noiseSource(
  noise: Noise,
  totals: CellFigures,
  random: Random,
): (factors: Float64Array) => number {
  const normal = normalSource(random);
  const deviation = noise.tails === null ? normal : scaledStudentSource(random, noise.tails);
  const { degreesOfFreedom, cellSigma, drift } = noise;
  return (factors) => {
    const inflation = Number.isFinite(degreesOfFreedom)
      ? Math.min(largestInflation, Math.sqrt(degreesOfFreedom / chiSquared(degreesOfFreedom, normal)))
      : 1;
    for (let c = 0; c < factors.length; c++) {
      const sigma = cellSigma[c]! * inflation;
      const requests = totals.requests[c]!;
      if (requests > drawnOneByOne) {
        factors[c] = 1 + normal() * Math.sqrt(Math.expm1(sigma * sigma) / requests);
        continue;
      }
      let sum = 0;
      for (let i = 0; i < requests; i++) {
        const bounded = Math.max(-largestDeviation, Math.min(largestDeviation, deviation()));
        sum += Math.exp(sigma * bounded - (sigma * sigma) / 2);
      }
      factors[c] = sum / requests;
    }
    if (drift !== null) applyDrift(drift, factors, normal);
    return inflation;
  };
}

function applyDrift(drift: NonNullable<Noise['drift']>, factors: Float64Array, normal: () => number): void {
  const { rounds, share } = drift;
  const pace = Float64Array.from({ length: rounds }, () => Math.exp(drift.sigma * normal()));
  for (let c = 0; c < factors.length; c++) {
    let mean = 0;
    for (let k = 0; k < rounds; k++) mean += share[c * rounds + k]! * pace[k]!;
    factors[c]! *= mean;
  }
}

/** Numbers that a call draws: the cost of one resample. */
export function drawsPerCall(totals: CellFigures): number {
  return totals.requests.reduce((sum, requests) => sum + (requests > drawnOneByOne ? 1 : requests), 0);
}
