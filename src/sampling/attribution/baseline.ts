import type { CumulativeCurve } from '../window.js';
import type { Span } from './segment.js';

/** A device's rate of use while the run asks nothing of it, in W for energy. It is reported and never subtracted. */
export interface IdleBaseline {
  before: number | null;
  after: number | null;
  /** Mean of what is known of the two; null where neither is. */
  mean: number | null;
  /** Change from before to after, as a share of the mean: how far the resting level itself drifted. */
  drift: number | null;
}

/**
 * The rate of use per second in two segments in which nothing ran, before and after the requests; null
 * stands for a segment that there was not.
 */
export function idleBaseline(curve: CumulativeCurve, before: Span | null, after: Span | null): IdleBaseline {
  return baselineOf(restingRate(curve, before), restingRate(curve, after));
}

/** The same of rates that are known. */
export function baselineOf(before: number | null, after: number | null): IdleBaseline {
  const known = [before, after].filter((value) => value !== null);
  const mean = known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
  const drift =
    before !== null && after !== null && mean !== null && mean > 0 ? (after - before) / mean : null;
  return { before, after, mean, drift };
}

/** Over as much of the segment as the curve knows, where that is most of it. */
function restingRate(curve: CumulativeCurve, span: Span | null): number | null {
  if (span === null) return null;
  for (const piece of curve.known) {
    const startNs = Math.max(span.startNs, piece.startNs);
    const endNs = Math.min(span.endNs, piece.endNs);
    if (endNs - startNs <= (span.endNs - span.startNs) / 2) continue;
    const { value } = curve.window(startNs, endNs);
    return value === null ? null : value / ((endNs - startNs) / 1e9);
  }
  return null;
}
