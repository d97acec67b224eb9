import type { Nanoseconds } from '../../../core/units.js';
import { countUpTo } from '../../series.js';
import type { CumulativeCurve } from '../../window.js';
import type { Span, Timeline } from './timeline.js';

/** Windows of a counter, one after the other, each within a span in which the counter is known. */
export interface Windows {
  startNs: Float64Array;
  endNs: Float64Array;
  /** What the counter showed in each. */
  amount: Float64Array;
  /** Time in each in which no request was in flight. */
  idleNs: Float64Array;
  /** Whether a request of unknown work ran in it. */
  isUnknown: Uint8Array;
  unknownNs: Nanoseconds;
}

/** A window is at least so many readings of the counter long: interpolation between two hardly counts then. */
export const readingsInWindow = 4;
const mostWindows = 4000;

/**
 * Cuts the span where steps of the engine end: where output came and none followed for the longest, away from prefills
 * whose place is not sure. Work of a step would else lie on both sides of a cut, and who made which part of it be guessed: with cuts at
 * fixed times in place of these, costs of prefill came out at 0.2 to 0.7 (README.md).
 */
export function cutWindows(
  timeline: Timeline,
  {
    curve,
    startNs,
    endNs,
    resolutionNs,
    quantum,
  }: {
    curve: CumulativeCurve;
    startNs: Nanoseconds;
    endNs: Nanoseconds;
    resolutionNs: Nanoseconds;
    quantum: number;
  },
): Windows {
  const leastNs = Math.max(readingsInWindow * resolutionNs, (endNs - startNs) / mostWindows);
  const busy = merged(timeline.inFlight);
  const moments = momentsOf(timeline, busy);
  const cuts: [number, number][] = [];
  let knownNs = 0;
  for (const span of curve.known) {
    const fromNs = Math.max(span.startNs, startNs);
    const toNs = Math.min(span.endNs, endNs);
    if (toNs <= fromNs) continue;
    knownNs += toNs - fromNs;
    let last = fromNs;
    for (let cut = nextCut(moments, last, leastNs); cut !== null && cut < toNs - leastNs; ) {
      cuts.push([last, cut]);
      last = cut;
      cut = nextCut(moments, last, leastNs);
    }
    cuts.push([last, toNs]);
  }
  const at = (timeNs: number) => Math.round(curve.at(timeNs)! / quantum);
  const unknown = merged(timeline.unknown);
  return {
    startNs: Float64Array.from(cuts, ([from]) => from),
    endNs: Float64Array.from(cuts, ([, to]) => to),
    amount: Float64Array.from(cuts, ([from, to]) => (at(to) - at(from)) * quantum),
    idleNs: Float64Array.from(cuts, ([from, to]) => to - from - overlap(busy, from, to)),
    isUnknown: Uint8Array.from(cuts, ([from, to]) => (overlap(unknown, from, to) > 0 ? 1 : 0)),
    unknownNs: endNs - startNs - knownNs,
  };
}

/** Where to end a window: the better the fewer prefills may be under way there, then the longer the pause after it. */
function nextCut({ atNs, prefills }: Moments, lastNs: number, leastNs: number): number | null {
  let best: number | null = null;
  const pause = (k: number) => (atNs[k + 1] ?? Number.POSITIVE_INFINITY) - atNs[k]!;
  const first = countUpTo(atNs, lastNs + leastNs);
  for (let k = first; k < atNs.length; k++) {
    const search = best !== null && prefills[best]! > 0 ? longSearch : shortSearch;
    if (best !== null && atNs[k]! > atNs[first]! + search * leastNs) break;
    const fewer = best === null ? -1 : prefills[k]! - prefills[best]!;
    if (fewer < 0 || (fewer === 0 && pause(k) > pause(best!))) best = k;
  }
  return best === null ? null : atNs[best]!;
}

/** For how many times the shortest window a better cut is looked for, and while there is none that is clear of prefills. */
const shortSearch = 0.5;
const longSearch = 5;

interface Moments {
  /** When output came, or the server began or ceased to have requests. */
  atNs: Float64Array;
  /** Number of requests whose prefill may be under way then. */
  prefills: Uint32Array;
}

function momentsOf({ placed }: Timeline, busy: readonly Span[]): Moments {
  const atNs = Float64Array.from([
    ...placed.flatMap(({ outputNs }) => outputNs as number[]),
    ...busy.flatMap((span) => [span.startNs, span.endNs]),
  ]).sort();
  const begun = Float64Array.from(placed, ({ earliestNs }) => earliestNs).sort();
  const ended = Float64Array.from(placed, ({ prefill }) => prefill.endNs).sort();
  const prefills = Uint32Array.from(atNs, (timeNs) => countUpTo(begun, timeNs) - countUpTo(ended, timeNs));
  return { atNs, prefills };
}

/** The spans without overlaps, in order. */
function merged(spans: readonly Span[]): Span[] {
  const result: Span[] = [];
  for (const { startNs, endNs } of [...spans].sort((a, b) => a.startNs - b.startNs)) {
    const last = result.at(-1);
    if (last && startNs <= last.endNs) last.endNs = Math.max(last.endNs, endNs);
    else result.push({ startNs, endNs });
  }
  return result;
}

/** Time that spans, in order and without overlaps, take of a window. */
function overlap(spans: readonly Span[], fromNs: number, toNs: number): number {
  let low = 0;
  for (let high = spans.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (spans[middle]!.endNs <= fromNs) low = middle + 1;
    else high = middle;
  }
  let sum = 0;
  for (let k = low; k < spans.length && spans[k]!.startNs < toNs; k++) {
    sum += Math.min(spans[k]!.endNs, toNs) - Math.max(spans[k]!.startNs, fromNs);
  }
  return sum;
}
