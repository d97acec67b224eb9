import type { Span } from './attribution/segment.js';
import { type CumulativeCurve, looseAtMost, type WindowFigure } from './window.js';

/**
 * The amount over several spans of one window, in order of time, with gaps between them.
 *
 * Within a tick of the counter the amount is split by time alone, as if spans and gaps had the same power. The
 * error of that, for a gap whose power differs from the spans' by as much as the spans' own, depends on the tick:
 * where ticks are longer than the distance between gaps, it is the gap's length times the spans' share of the
 * window; where they are shorter, it is a sixth of a tick for each edge of the gap, on average over the tick's
 * phase. The error is added to the uncertainty. Where it exceeds a tenth, the window is `too-short`.
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
