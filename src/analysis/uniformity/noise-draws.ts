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

/** How the errors of attributed work go together over cells. */
export type AttributionPattern = 'apart' | 'together';

/** A parametric bootstrap of the noise, call by call. */
export interface NoiseSource {
  /**
   * Fills `factors` with what each cell's summed work would be multiplied by, were the run repeated; mean 1. First
   * draws the noise's own size from what its estimate leaves open, so that few repetitions give wide bands, and returns
   * how many times its estimate that is.
   */
  repeat(factors: Float64Array): number;
  /** Draws how far attribution is out, as much larger than its intervals say, and multiplies all of `into` by that. */
  attribute(into: readonly Float64Array[], inflation: number): void;
}

export function noiseSource(
  noise: Noise,
  totals: CellFigures,
  random: Random,
  pattern: AttributionPattern,
): NoiseSource {
  const normal = normalSource(random);
  const deviation = noise.tails === null ? normal : scaledStudentSource(random, noise.tails);
  const { degreesOfFreedom, cellSigma, drift, attribution } = noise;
  const sides = pattern === 'together' ? sidesOf(totals) : null;
  const repeat = (factors: Float64Array) => {
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
  const attribute = (into: readonly Float64Array[], inflation: number) => {
    if (attribution === null) return;
    const shared = sides === null ? 0 : normal();
    for (let c = 0; c < attribution.length; c++) {
      const sigma = attribution[c]! * inflation;
      const out = sides === null ? normal() : sides[c]! * shared;
      const bounded = Math.max(-largestDeviation, Math.min(largestDeviation, out));
      const factor = Math.exp(sigma * bounded - (sigma * sigma) / 2);
      for (const factors of into) factors[c]! *= factor;
    }
  };
  return { repeat, attribute };
}

/**
 * Work is charged by what prefill and decode cost, and all charges add up to what was counted: where one of them is
 * taken for too dear the other is taken for too cheap. Cells with a larger part of output than the run err one way (1),
 * and the others the other (−1).
 */
function sidesOf({ requests, promptPerRequest, completionPerRequest }: CellFigures): Float64Array {
  let [output, all] = [0, 0];
  for (let c = 0; c < requests.length; c++) {
    output += requests[c]! * completionPerRequest[c]!;
    all += requests[c]! * (promptPerRequest[c]! + completionPerRequest[c]!);
  }
  return requests.map((_, c) => {
    const own = completionPerRequest[c]!;
    return own * all > output * (own + promptPerRequest[c]!) ? 1 : -1;
  });
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
