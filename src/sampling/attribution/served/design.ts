import type { PlacedRequest, Span, Timeline } from './timeline.js';
import type { Windows } from './windows.js';

/** Kinds of work, in the order in which they stand everywhere. */
export const workKinds = ['prefill', 'prefillAttention', 'decode', 'decodeContext', 'step'] as const;
export type RegressorName = 'idle' | (typeof workKinds)[number];

/** Work of one request, in windows that follow each other. */
interface PlacedWork {
  id: number;
  fromWindow: number;
  windows: number;
  /** Of each kind in each window: that of kind `k` in the window `fromWindow` + `w` at `k * windows + w`. */
  work: Float64Array;
}

export interface Design {
  windows: Windows;
  requests: PlacedWork[];
  /** Of each kind, the work of all requests in each window. */
  totals: Float64Array[];
}

/**
 * The work that ran in each window, of each request:
 * - prefill: tokens of prompts computed, n = prompt − cached, evenly over the time of the prefill;
 * - prefillAttention: tokens that those attend to, n · cached + n(n + 1) / 2, likewise;
 * - decode: tokens that decode steps made, all but the first;
 * - decodeContext: tokens held when each was made, its keys and values being read;
 * - step: steps of the engine, whose cost (weights are read once for all that decode) is that of all who took part: of
 *   each token 1 ÷ the number of requests that decoded at its time, by which the work of all is the number of steps.
 */
export function designOf({ placed, decoding: spans }: Timeline, windows: Windows): Design {
  const count = windows.startNs.length;
  const decoding = concurrency(spans);
  const totals = workKinds.map(() => new Float64Array(count));
  const requests = placed.map((request) => {
    const { prefill, outputNs } = request;
    const last = Math.max(prefill.endNs, outputNs.at(-1)!);
    const fromWindow = Math.max(0, firstEndingAfter(windows, Math.min(prefill.startNs, outputNs[0]!)));
    const until = Math.min(count - 1, firstEndingAfter(windows, last));
    const own = { id: request.id, fromWindow, windows: Math.max(0, until - fromWindow + 1) };
    const work = new Float64Array(workKinds.length * own.windows);
    place(request, decoding, windows, { ...own, work });
    for (const [kind, total] of totals.entries()) {
      for (let w = 0; w < own.windows; w++) total[fromWindow + w]! += work[kind * own.windows + w]!;
    }
    return { ...own, work };
  });
  return { windows, requests, totals };
}

function place(
  { prefill, computed, attention, decoded, promptTokens, outputNs }: PlacedRequest,
  decoding: (timeNs: number) => number,
  windows: Windows,
  own: PlacedWork,
): void {
  const spread = (fromNs: number, toNs: number, add: (at: number, share: number) => void) => {
    let at = Math.max(own.fromWindow, firstEndingAfter(windows, fromNs));
    for (; at < own.fromWindow + own.windows; at++) {
      const within = Math.min(toNs, windows.endNs[at]!) - Math.max(fromNs, windows.startNs[at]!);
      if (within < 0 || (within === 0 && toNs > fromNs)) break;
      add(at - own.fromWindow, toNs > fromNs ? within / (toNs - fromNs) : 1);
      if (toNs <= windows.endNs[at]!) break;
    }
  };
  const { work, windows: width } = own;
  spread(prefill.startNs, prefill.endNs, (at, share) => {
    work[at]! += share * computed;
    work[width + at]! += share * attention;
  });
  let before = outputNs[0]!;
  for (let token = 1; token <= decoded; token++) {
    const place = (token / decoded) * (outputNs.length - 1);
    const piece = Math.min(Math.floor(place), outputNs.length - 2);
    const now = outputNs[piece]! + (place - piece) * (outputNs[piece + 1]! - outputNs[piece]!);
    const shared = 1 / decoding((before + now) / 2);
    spread(before, now, (at, share) => {
      work[2 * width + at]! += share;
      work[3 * width + at]! += share * (promptTokens + token);
      work[4 * width + at]! += share * shared;
    });
    before = now;
  }
}

/** How many requests decode at a time; at least the one that asks. */
function concurrency(spans: readonly Span[]): (timeNs: number) => number {
  const edges = spans.flatMap(({ startNs, endNs }) => [
    { atNs: startNs, by: 1 },
    { atNs: endNs, by: -1 },
  ]);
  edges.sort((a, b) => a.atNs - b.atNs);
  const times = Float64Array.from(edges, ({ atNs }) => atNs);
  let running = 0;
  const counts = Uint32Array.from(edges, ({ by }) => (running += by));
  let at = 0;
  return (timeNs) => {
    // Asked for the tokens of one request after the other, mostly next to where it was asked last.
    while (at > 0 && times[at]! > timeNs) at--;
    while (at + 1 < times.length && times[at + 1]! <= timeNs) at++;
    return Math.max(1, counts[at] ?? 1);
  };
}

function firstEndingAfter({ endNs }: Windows, timeNs: number): number {
  let low = 0;
  for (let high = endNs.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (endNs[middle]! <= timeNs) low = middle + 1;
    else high = middle;
  }
  return low;
}
