import type { Nanoseconds } from '../core/units.js';
import type { CumulativeCurve } from './window.js';

/** What a device draws when the run asks nothing of it; in W for energy. Reported, never subtracted. */
export interface IdleBaseline {
  before: number | null;
  after: number | null;
  /** Mean of what is known of the two; null where neither is. */
  mean: number | null;
  /** Change from before to after, as a share of the mean: how far the resting level itself drifted. */
  drift: number | null;
}

interface Span {
  startNs: Nanoseconds;
  endNs: Nanoseconds;
}

/** The rate of use per second in two stretches in which nothing ran, before and after the requests. */
export function idleBaseline(curve: CumulativeCurve, before: Span, after: Span): IdleBaseline {
  const rate = ({ startNs, endNs }: Span) => {
    const { value } = curve.window(startNs, endNs);
    return value === null ? null : value / ((endNs - startNs) / 1e9);
  };
  const rates = { before: rate(before), after: rate(after) };
  const known = [rates.before, rates.after].filter((value) => value !== null);
  const mean = known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
  const both = rates.before !== null && rates.after !== null && mean !== null && mean > 0;
  return { ...rates, mean, drift: both ? (rates.after! - rates.before!) / mean : null };
}
