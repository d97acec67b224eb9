import type { Nanoseconds } from '../../../core/units.js';
import { median } from '../../../stats/quantile.js';
import { countUpTo } from '../../series.js';

/** A request to a server as its client saw it, on the clock of the counter's curve. */
export interface ServedRequest {
  id: number;
  sentNs: Nanoseconds;
  /** Null where no token came, or all came at once in the end. */
  firstTokenNs: Nanoseconds | null;
  lastTokenNs: Nanoseconds | null;
  /** When it was done, in whatever way. */
  endNs: Nanoseconds;
  /** Null where nobody counted them: what such a request used is in `unattributed`. */
  promptTokens: number | null;
  /** Of the prompt's tokens, those taken from a cache; null counts as none. */
  cachedTokens: number | null;
  completionTokens: number | null;
  failed: boolean;
  /**
   * When each piece of the completion came, in order. Pieces need not be tokens: tokens are spread evenly over them.
   * Without it, evenly between the first token and the last.
   */
  outputNs?: readonly Nanoseconds[] | null;
  /** Time that the server says it spent on the prompt, until its first token. */
  serverPrefillNs?: Nanoseconds | null;
}

export interface Span {
  startNs: Nanoseconds;
  endNs: Nanoseconds;
}

/** A request of known work, and when each phase of it is taken to have run. */
export interface PlacedRequest {
  id: number;
  prefill: Span;
  /** When its prefill may have begun at the earliest, as far as is known. */
  earliestNs: Nanoseconds;
  /** Prompt tokens computed, and the sum of the contexts that each attends to. */
  computed: number;
  attention: number;
  promptTokens: number;
  /** Tokens that a decode step made: all but the first, which the prefill makes. */
  decoded: number;
  /** When output came; the first token at the first of them. */
  outputNs: readonly Nanoseconds[];
}

export interface Timeline {
  placed: PlacedRequest[];
  /** When requests decoded, also those of unknown work. */
  decoding: Span[];
  /** Times in which requests ran of which nobody knows the work. */
  unknown: Span[];
  /** Times of all requests. */
  inFlight: Span[];
}

/**
 * Places the phases of each request in time. A prefill ends at its first token. It began when the server says so;
 * where it says nothing, when the request was sent, or when the prefill before it was done (engines work on waiting
 * prompts one after the other), or, where as many requests decoded as ever did at once, when one of them was done:
 * whichever is last. A request without a first token is taken to have worked evenly from its sending to its end.
 */
export function timelineOf(requests: readonly ServedRequest[]): Timeline {
  const known = requests.filter(isKnown);
  const firsts = sorted(requests.flatMap(({ firstTokenNs }) => firstTokenNs ?? []));
  const releases = slotReleases(requests);
  const sameStepNs = stepNs(requests) / 4;
  const latest = (times: readonly number[], beforeNs: number) =>
    times[countUpTo(times, beforeNs) - 1] ?? Number.NEGATIVE_INFINITY;
  const placed = known.map((request) => {
    const { sentNs, endNs, firstTokenNs, serverPrefillNs } = request;
    if (firstTokenNs === null) return place(request, sentNs, sentNs, endNs);
    const within = (timeNs: number) => Math.min(Math.max(sentNs, timeNs), firstTokenNs);
    if (serverPrefillNs != null) {
      const beganNs = within(firstTokenNs - serverPrefillNs);
      return place(request, beganNs, beganNs, firstTokenNs);
    }
    const earliestNs = within(latest(releases, firstTokenNs));
    const beganNs = Math.max(earliestNs, latest(firsts, firstTokenNs - sameStepNs));
    return place(request, earliestNs, beganNs, firstTokenNs);
  });
  const uncounted = requests.filter((request) => !isKnown(request) && !isRejection(request));
  return {
    placed,
    decoding: [
      ...placed
        .filter(({ decoded }) => decoded > 0)
        .map(({ outputNs }) => ({ startNs: outputNs[0]!, endNs: outputNs.at(-1)! })),
      ...uncounted.flatMap(({ firstTokenNs, endNs }) =>
        firstTokenNs === null ? [] : [{ startNs: firstTokenNs, endNs }],
      ),
    ],
    unknown: uncounted.map(spanOf),
    inFlight: requests.map(spanOf),
  };
}

type KnownRequest = ServedRequest & { promptTokens: number; completionTokens: number };

function isKnown({ promptTokens, completionTokens }: ServedRequest): boolean {
  return promptTokens !== null && completionTokens !== null;
}

/** A request that failed at once, as when a server is full, did no work worth mentioning. */
const isRejection = ({ failed, firstTokenNs, sentNs, endNs }: ServedRequest) =>
  failed && firstTokenNs === null && endNs - sentNs < 1e8;

const spanOf = ({ sentNs, endNs }: ServedRequest) => ({ startNs: sentNs, endNs });

const sorted = (times: readonly number[]) => [...times].sort((a, b) => a - b);

function place(
  request: ServedRequest,
  earliestNs: Nanoseconds,
  beganNs: Nanoseconds,
  firstNs: Nanoseconds,
): PlacedRequest {
  const { id, sentNs, endNs, firstTokenNs, lastTokenNs } = request;
  const { promptTokens, completionTokens } = request as KnownRequest;
  const cached = Math.min(request.cachedTokens ?? 0, promptTokens);
  const computed = promptTokens - cached;
  const decoded = Math.max(0, completionTokens - 1);
  const streamed = firstTokenNs !== null && lastTokenNs !== null && lastTokenNs > firstTokenNs;
  const outputNs =
    streamed || decoded === 0
      ? (request.outputNs?.length ?? 0) > 1
        ? request.outputNs!
        : [firstNs, lastTokenNs ?? firstNs]
      : [sentNs, endNs];
  return {
    id,
    earliestNs,
    prefill: { startNs: streamed || decoded === 0 ? beganNs : sentNs, endNs: firstNs },
    computed,
    attention: computed * cached + (computed * (computed + 1)) / 2,
    promptTokens,
    decoded,
    outputNs,
  };
}

/** The median time between tokens. What one step gives to several requests reaches their client within a part of it. */
function stepNs(requests: readonly ServedRequest[]): number {
  const steps = requests.flatMap(({ firstTokenNs, lastTokenNs, completionTokens }) =>
    firstTokenNs !== null && lastTokenNs !== null && (completionTokens ?? 0) > 1
      ? (lastTokenNs - firstTokenNs) / (completionTokens! - 1)
      : [],
  );
  return median(steps) ?? 0;
}

/** Moments at which a request was done while as many decoded as ever did at once: a waiting one could begin. */
function slotReleases(requests: readonly ServedRequest[]): number[] {
  const edges = requests.flatMap(({ firstTokenNs, endNs }) =>
    firstTokenNs === null
      ? []
      : [
          { atNs: firstTokenNs, by: 1 },
          { atNs: endNs, by: -1 },
        ],
  );
  edges.sort((a, b) => a.atNs - b.atNs || a.by - b.by);
  let running = 0;
  let most = 0;
  const before = edges.map(({ by }) => {
    const was = running;
    running += by;
    most = Math.max(most, running);
    return was;
  });
  return edges.flatMap(({ atNs, by }, at) => (by < 0 && before[at] === most ? [atNs] : []));
}
