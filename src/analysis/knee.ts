import { rateFactor } from '../core/records/arrivals.js';
import { isOk, type OkRequest, type RequestRow, type Result } from '../core/result.js';
import { median, percentile, smallestSample } from '../stats/quantile.js';
import { endToEndNs, timeToFirstTokenNs } from './request-metrics.js';

/** One rate of a sweep. */
interface SweepStep {
  /** Requests per second. */
  rate: number;
  requests: number;
  failed: number;
  /** Answers per second ÷ requests per second, those counted in that failed; null below two answers. */
  achieved: number | null;
  /** Time to first token from the scheduled time; null where none was answered. */
  timeToFirstTokenNs: number | null;
  /** The same ÷ the least of this and the lower rates that held. */
  slowdown: number | null;
  /** Why the server no longer held the rate. */
  left: 'behind' | 'slow' | null;
}

/** The largest rate of a sweep that a server holds. */
export interface Knee {
  model: string;
  steps: SweepStep[];
  /** The percentile of the steps' times to first token, the highest that every step has the requests for. */
  percentile: 'p95' | 'p90' | 'median';
  /** The knee lies from this rate up to the next; null where it lies outside of the sweep. */
  rate: number | null;
  next: number | null;
  reason: string | null;
}

/** A server that answers fewer than these of the requests that arrive is falling behind. */
export const leastAchieved = 0.95;
/** The slowdown at which power is greatest in a queue of random arrivals and services. */
export const mostSlowdown = 2;

/**
 * The knee of each model's sweep; none where its cells have fewer than three rates.
 *
 * A rate is held where answers keep up with at least 95% of requests, and where the tail of the time to first token is at
 * most twice its flat part, the least of the lower rates. Twice is where power, throughput ÷ latency, is greatest in an
 * M/M/1 queue, at half its capacity (Kleinrock 1979, "Power and deterministic rules of thumb for probabilistic problems in
 * computer communications"). The knee is the largest rate such that it and all lower ones are held. Kneedle (Satopää
 * et al. 2011) is not used: it scales the curve by the rates that were swept, so that its knee moves with them.
 */
export function kneesOf(result: Result): Knee[] {
  return result.models.flatMap(({ id: model }) => {
    const rates = new Map<string, number>();
    for (const cell of result.cells) {
      const rate = cell.factors[rateFactor];
      if (cell.model === model && typeof rate === 'number') rates.set(cell.id, rate);
    }
    const byRate = new Map<number, RequestRow[]>();
    for (const request of result.requests) {
      const rate = rates.get(request.cell);
      if (rate === undefined) continue;
      const rows = byRate.get(rate) ?? [];
      rows.push(request);
      byRate.set(rate, rows);
    }
    return byRate.size < 3 ? [] : [kneeOf(model, byRate)];
  });
}

function kneeOf(model: string, byRate: ReadonlyMap<number, readonly RequestRow[]>): Knee {
  const answered = [...byRate]
    .sort(([a], [b]) => a - b)
    .map(([rate, all]) => ({ rate, all, ok: all.filter(isOk) }));
  const fewest = Math.min(...answered.map(({ ok }) => ok.length).filter((count) => count > 0));
  const percentileName =
    fewest >= smallestSample(95) ? 'p95' : fewest >= smallestSample(90) ? 'p90' : 'median';
  let flatNs = Number.POSITIVE_INFINITY;
  const steps = answered.map(({ rate, all, ok }): SweepStep => {
    const times = ok.map((request) => timeToFirstTokenNs(request, 'submitted'));
    const timeNs =
      percentileName === 'median' ? median(times) : percentile(times, percentileName === 'p95' ? 95 : 90);
    const achieved = achievedShare(all, ok);
    const behind = achieved === null || achieved < leastAchieved;
    if (!behind && timeNs !== null) flatNs = Math.min(flatNs, timeNs);
    const slowdown = timeNs === null || flatNs === Number.POSITIVE_INFINITY ? null : timeNs / flatNs;
    const slow = slowdown !== null && slowdown > mostSlowdown;
    return {
      rate,
      requests: all.length,
      failed: all.length - ok.length,
      achieved,
      timeToFirstTokenNs: timeNs,
      slowdown,
      left: behind ? 'behind' : slow ? 'slow' : null,
    };
  });
  return { model, steps, percentile: percentileName, ...placeOf(steps) };
}

function placeOf(steps: readonly SweepStep[]): Pick<Knee, 'rate' | 'next' | 'reason'> {
  const first = steps.findIndex(({ left }) => left !== null);
  if (first === -1) {
    return { rate: null, next: null, reason: `the highest rate, ${steps.at(-1)!.rate} requests/s, was held` };
  }
  if (first === 0) {
    return {
      rate: null,
      next: null,
      reason: `not even the lowest rate, ${steps[0]!.rate} requests/s, was held`,
    };
  }
  return { rate: steps[first - 1]!.rate, next: steps[first]!.rate, reason: null };
}

/**
 * Time in which the middle 80% of the requests arrived ÷ time in which the middle 80% of the answers ended, times the
 * share that was answered: 1 where the server keeps up, capacity ÷ rate where it does not. The ends are left out, as a
 * last long answer says nothing about keeping up.
 */
function achievedShare(all: readonly RequestRow[], ok: readonly OkRequest[]): number | null {
  const arrivedNs = middleSpan(ok.map(({ times }) => times.submitted));
  const endedNs = middleSpan(ok.map((request) => request.times.submitted + endToEndNs(request, 'submitted')));
  if (!(arrivedNs > 0 && endedNs > 0)) return null;
  return (arrivedNs / endedNs) * (ok.length / all.length);
}

function middleSpan(times: readonly number[]): number {
  const sorted = Float64Array.from(times).sort();
  const edge = Math.floor(sorted.length / 10);
  return sorted.length < 2 ? 0 : sorted[sorted.length - 1 - edge]! - sorted[edge]!;
}
