import { convexHull, isInHull, type Point } from '../../stats/convex-hull.js';
import type { LoggedTokens, TallyBin } from './usage-tally.js';
import type { MeasuredPoint } from './work-law.js';

/** Why requests of a log lie outside of what was measured. */
export const outsideReasons = ['cached', 'empty', 'prompt', 'completion', 'between'] as const;
export type OutsideReason = (typeof outsideReasons)[number];

interface Amount {
  requests: number;
  /** Prompt and completion. */
  tokens: number;
}

export interface Coverage {
  log: Amount & { cached: number };
  covered: Amount;
  /** `empty`: without prompt or answer; `between`: both lengths were measured, but not together. */
  outside: Record<OutsideReason, Amount>;
  /** The lengths that were measured, shortest to longest. */
  measured: { prompt: readonly [number, number]; completion: readonly [number, number] };
  /** Lengths within which all but 1% of the log's requests lie, at either end. */
  logged: { prompt: readonly [number, number]; completion: readonly [number, number] } | null;
}

/**
 * Parts a log into what the measurement covers, its lengths within the convex hull of the measured ones on logarithmic
 * axes, and what it does not. A law holds between the points it was fitted to, and is not extrapolated.
 */
export function coverageOf(
  bins: readonly TallyBin[],
  points: readonly MeasuredPoint[],
): { coverage: Coverage; covered: TallyBin[] } {
  const hull = convexHull(points.map(placeOf));
  const range = (lengths: readonly number[]) =>
    [lengths.reduce((a, b) => Math.min(a, b)), lengths.reduce((a, b) => Math.max(a, b))] as const;
  const measured = {
    prompt: range(points.map(({ prompt }) => prompt)),
    completion: range(points.map(({ completion }) => completion)),
  };
  const mostCached = Math.max(...points.map(({ cached, prompt }) => (prompt === 0 ? 0 : cached / prompt)));
  const isWithin = (length: number, [low, high]: readonly [number, number]) =>
    length >= low && length <= high;
  const reasonOf = ({ prompt, cached, completion }: LoggedTokens): OutsideReason | null => {
    if (prompt === 0 || completion === 0) return 'empty';
    if (cached / prompt > mostCached + 1e-9) return 'cached';
    if (!isWithin(prompt, measured.prompt)) return 'prompt';
    if (!isWithin(completion, measured.completion)) return 'completion';
    return isInHull(hull, placeOf({ prompt, cached, completion })) ? null : 'between';
  };
  const none = (): Amount => ({ requests: 0, tokens: 0 });
  const outside = Object.fromEntries(outsideReasons.map((reason) => [reason, none()])) as Coverage['outside'];
  const [log, within] = [{ ...none(), cached: 0 }, none()];
  const covered: TallyBin[] = [];
  for (const bin of bins) {
    const reason = reasonOf(meanOf(bin));
    for (const amount of [log, reason === null ? within : outside[reason]]) {
      amount.requests += bin.requests;
      amount.tokens += bin.prompt + bin.completion;
    }
    log.cached += bin.cached;
    if (reason === null) covered.push(bin);
  }
  const logged =
    bins.length === 0 ? null : { prompt: inner(bins, 'prompt'), completion: inner(bins, 'completion') };
  return { coverage: { log, covered: within, outside, measured, logged }, covered };
}

/** The tokens of a bin's mean request. */
export function meanOf({ prompt, cached, completion, requests }: TallyBin): LoggedTokens {
  return { prompt: prompt / requests, cached: cached / requests, completion: completion / requests };
}

/** Where lengths lie on logarithmic axes. */
export function placeOf({ prompt, completion }: LoggedTokens): Point {
  return [Math.log(Math.max(prompt, 1)), Math.log(Math.max(completion, 1))];
}

/** The central 98% of a length over requests. */
function inner(bins: readonly TallyBin[], length: 'prompt' | 'completion'): [number, number] {
  const sorted = bins
    .map((bin) => ({ length: bin[length] / bin.requests, requests: bin.requests }))
    .sort((a, b) => a.length - b.length);
  const total = sorted.reduce((sum, { requests }) => sum + requests, 0);
  const at = (share: number) => {
    let seen = 0;
    for (const { length: own, requests } of sorted) {
      seen += requests;
      if (seen >= share * total) return Math.round(own);
    }
    return Math.round(sorted.at(-1)!.length);
  };
  return [at(0.01), at(0.99)];
}
