import type { Nanoseconds } from '../core/units.js';
import { type CumulativeCurve, looseAtMost, type WindowFigure } from './window.js';

interface Span {
  startNs: Nanoseconds;
  endNs: Nanoseconds;
}

/**
 * The amount over several spans of one window, in order of time, between which other things were done.
 *
 * Within a tick of the counter only time tells the spans from what lies beside them, as if all used as much a
 * second. Where a gap's power differs by as much as the spans' own, it takes or gives its length times the spans'
 * share of the window where ticks are longer than the way from gap to gap; where they are shorter, each of its
 * two edges misplaces a sixth of a tick on average over where in the tick it falls. That is added to the
 * uncertainty, and where it is more than a tenth the spans cannot be told from the gaps: `too-short`.
 */
export function windowOfSpans(curve: CumulativeCurve, spans: readonly Span[]): WindowFigure {
  const first = spans[0]!;
  const last = spans.at(-1)!;
  const whole = curve.window(first.startNs, last.endNs);
  if (spans.length === 1 || whole.value === null) return whole;
  const ownNs = spans.reduce((sum, { startNs, endNs }) => sum + endNs - startNs, 0);
  const lastedNs = last.endNs - first.startNs;
  const tickNs = lastedNs / whole.readings + curve.averagedOverNs;
  let mixedNs = 0;
  for (let index = 1; index < spans.length; index++) {
    const gapNs = spans[index]!.startNs - spans[index - 1]!.endNs;
    if (gapNs > 0) mixedNs += Math.min(tickNs / 3, (gapNs * ownNs) / lastedNs);
  }
  if (!(mixedNs <= looseAtMost * ownNs)) return { value: null, reason: 'too-short' };
  const value = spans.reduce((sum, { startNs, endNs }) => sum + curve.at(endNs)! - curve.at(startNs)!, 0);
  const mixed = (value * mixedNs) / ownNs;
  return {
    value,
    low: Math.max(0, value - (whole.value - whole.low) - mixed),
    high: value + (whole.high - whole.value) + mixed,
    method: whole.method,
    readings: Math.floor((whole.readings * ownNs) / lastedNs),
  };
}
