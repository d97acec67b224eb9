import { normalSource } from '../../../stats/normal.js';
import { createRandom, deriveSeed } from '../../../stats/random.js';
import type { Charge } from './charges.js';
import { type Design, workKinds } from './design.js';
import type { Fit } from './fit.js';
import { fittedTo } from './residuals.js';

/** Resampled costs, some of them held at 0, spread too little where disturbances last: found by simulation (README.md). */
const calibrated = 1.5;

/**
 * An interval of 95% for each charge, from resamples of three things:
 * - the costs, as fitted to blocks of the windows (`fit.ts`), scaled to the same sum; spread wider by what the number
 *   of blocks leaves after so many costs, and by `calibrated`;
 * - what disturbs all requests of a window alike: a run of relative residuals that follow each other somewhere in the
 *   data, as many as the request has windows, each in proportion to the request's charge in its window;
 * - what the request costs more or less by itself, all along: normal, with the variance found in the residuals.
 *
 * Residuals have both, mixed by how many share a window, and are scaled to the common part (`residuals.ts`).
 */
export function intervalsOf(
  design: Design,
  fit: Fit,
  charged: readonly Charge[],
  seed: number,
): { low: number; high: number }[] {
  const { costs, relativeResiduals, commonVariance, ownVariance } = fit;
  const blocks = fit.windows / fit.blockLength;
  const widening = calibrated * Math.sqrt(blocks / Math.max(1, blocks - fit.coefficients.length));
  const random = createRandom(deriveSeed(seed, 1));
  const normal = normalSource(random);
  const fitted = fittedTo(design, costs);
  const commonShare = Float64Array.from(fitted.work, (work, at) => {
    const variance = work > 0 ? commonVariance + (ownVariance * fitted.squares[at]!) / work ** 2 : 0;
    return variance > 0 ? Math.sqrt(commonVariance / variance) : 1;
  });
  const sums = design.requests.map(({ windows, work }) =>
    workKinds.map((_, kind) =>
      work.subarray(kind * windows, (kind + 1) * windows).reduce((sum, of) => sum + of, 0),
    ),
  );
  const cost = (values: readonly number[], work: readonly number[]) =>
    values.reduce((sum, value, kind) => sum + value * work[kind]!, 0);
  const all = workKinds.map((_, kind) => sums.reduce((sum, of) => sum + of[kind]!, 0));
  const resampledCosts = fit.resampledCosts.filter((of) => cost(of, all) > 0);
  const scales = resampledCosts.map((of) => cost(costs, all) / cost(of, all));
  const ownDeviation = Math.sqrt(ownVariance);
  const draws = new Float64Array(resampledCosts.length);
  return design.requests.map(({ fromWindow, windows, work }, index) => {
    const own = sums[index]!;
    const charge = cost(costs, own);
    if (!(charge > 0)) return { low: 0, high: 0 };
    const weights = Float64Array.from({ length: windows }, (_, w) => {
      let part = 0;
      for (const [kind, value] of costs.entries()) part += value * work[kind * windows + w]!;
      return (part / charge) * commonShare[fromWindow + w]!;
    });
    // Hot: so many resamples for each request.
    const count = relativeResiduals.length;
    for (let k = 0; k < draws.length; k++) {
      let disturbed = 1 + ownDeviation * normal();
      let from = random.below(count);
      for (let w = 0; w < windows; w++) {
        disturbed += weights[w]! * relativeResiduals[from]!;
        if (++from === count) from = 0;
      }
      const of = resampledCosts[k]!;
      let resampled = 0;
      for (let kind = 0; kind < own.length; kind++) resampled += of[kind]! * own[kind]!;
      draws[k] = disturbed + widening * ((scales[k]! * resampled) / charge - 1);
    }
    draws.sort();
    const { amount } = charged[index]!;
    const bound = (share: number) => Math.max(0, amount * draws[Math.round(share * (draws.length - 1))]!);
    return { low: Math.min(amount, bound(0.025)), high: Math.max(amount, bound(0.975)) };
  });
}
