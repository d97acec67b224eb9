import { median } from '../../../stats/quantile.js';
import { fitNonNegative } from '../../../stats/regression/non-negative-fit.js';
import type { ServedShare } from './share-counter.js';

/** How far shares are from what the same requests used alone, a mean slow-down being taken out. */
export interface AloneError {
  /** The slow-down: what shares are multiplied by to compare with alone. */
  slowdown: { prefill: number; decode: number };
  /** Of the relative errors. */
  median: number;
  largest: number;
  /** Share of the requests whose interval, multiplied alike, holds what they used alone. */
  coverage: number;
}

/** Fewer requests do not tell two slow-downs from their errors. */
const enoughForPhases = 8;

/**
 * Shares against what the same requests used alone. `whole` takes out one mean slow-down; `byPhase` one of prefill and
 * one of decode, fitted by least relative squares: requests that decode together share the reading of the weights, and
 * those that prefill together share nothing, so that one factor for both counts the gain of batching as an error.
 * Null without requests; `byPhase` also with fewer than 8.
 */
export function errorAgainstAlone(
  pairs: readonly { shared: ServedShare; alone: number }[],
): { whole: AloneError; byPhase: AloneError | null } | null {
  const usable = pairs.filter(({ shared, alone }) => shared.amount > 0 && alone > 0);
  if (usable.length === 0) return null;
  const alone = usable.map((pair) => pair.alone);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const mean = sum(alone) / sum(usable.map(({ shared }) => shared.amount));
  const whole = errorWith({ prefill: mean, decode: mean }, usable);
  const phases =
    usable.length < enoughForPhases
      ? null
      : fitNonNegative(
          [usable.map(({ shared }) => shared.prefill), usable.map(({ shared }) => shared.decode)],
          alone,
        );
  return { whole, byPhase: phases && errorWith({ prefill: phases[0]!, decode: phases[1]! }, usable) };
}

function errorWith(
  slowdown: { prefill: number; decode: number },
  pairs: readonly { shared: ServedShare; alone: number }[],
): AloneError {
  const ratios = pairs.map(
    ({ shared, alone }) => (slowdown.prefill * shared.prefill + slowdown.decode * shared.decode) / alone,
  );
  const errors = ratios.map((ratio) => Math.abs(ratio - 1));
  const covered = pairs.filter(({ shared: { amount, low, high } }, at) => {
    const ratio = ratios[at]!;
    return (low / amount) * ratio <= 1 && (high / amount) * ratio >= 1;
  });
  return {
    slowdown,
    median: median(errors)!,
    largest: errors.reduce((largest, error) => Math.max(largest, error), 0),
    coverage: covered.length / pairs.length,
  };
}
