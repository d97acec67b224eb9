/**
 * workload/arrivals/ says when requests are sent: the options as people give them become a process, and the process
 * times.
 */

import { TokenworkError } from '../../core/errors.js';
import type { ArrivalProcess } from '../../core/records/arrivals.js';
import { exponential, gammaSource } from '../../stats/gamma.js';
import { createRandom } from '../../stats/random.js';

export interface ArrivalTimesOptions {
  seed: number;
  /** The requests over which a ramp grows; as many as are asked for where absent. */
  rampRequests?: number;
  /** The times of a trace's requests in ns from any origin, in order. */
  recordedNs?: ArrayLike<number>;
}

/**
 * The times at which `count` requests arrive, in whole ns from the beginning of the process, in order. The same process
 * and options give the same times, and fewer of them the same first ones.
 *
 * - constant: at 0, then every 1 ÷ rate;
 * - poisson, gamma: gaps of that distribution, one before the first request too;
 * - ramp: a Poisson process whose rate grows linearly in time, reaching `to` when as many are expected to have arrived
 *   as `rampRequests` says, and staying there: arrivals of rate 1 through the inverse of the expected number (Çinlar 1975);
 * - trace: as recorded, from the first, divided by the speed.
 *
 * Throws TokenworkError `bad-trace` where the times of a trace are too few or not in order.
 */
export function arrivalTimes(
  process: Exclude<ArrivalProcess, { kind: 'closed' }>,
  count: number,
  { seed, rampRequests = count, recordedNs = [] }: ArrivalTimesOptions,
): Float64Array {
  const times = new Float64Array(count);
  if (process.kind === 'trace') {
    fillFromTrace(times, recordedNs, process.speed);
    return times;
  }
  const next = secondsOf(process, seed, rampRequests);
  for (let index = 0; index < count; index++) times[index] = Math.round(next(index) * 1e9);
  return times;
}

/** Gives the time in s of one request after the other. */
function secondsOf(
  process: Exclude<ArrivalProcess, { kind: 'closed' | 'trace' }>,
  seed: number,
  rampRequests: number,
): (index: number) => number {
  if (process.kind === 'constant') return (index) => index / process.rate;
  const random = createRandom(seed);
  const gap =
    process.kind === 'gamma' ? gammaSource(random, 1 / process.variation ** 2) : () => exponential(random);
  const toSeconds =
    process.kind === 'ramp'
      ? rampInverse(process.from, process.to, rampRequests)
      : (arrived: number) => arrived / process.rate;
  let arrived = 0;
  return () => {
    arrived += gap();
    return toSeconds(arrived);
  };
}

/** The time at which so many arrivals are expected: the solution of from·t + slope·t² ÷ 2 = arrived. */
function rampInverse(from: number, to: number, requests: number): (arrived: number) => number {
  const rampSeconds = (2 * requests) / (from + to);
  const slope = (to - from) / rampSeconds;
  return (arrived) =>
    arrived <= requests
      ? (2 * arrived) / (from + Math.sqrt(from ** 2 + 2 * slope * arrived))
      : rampSeconds + (arrived - requests) / to;
}

function fillFromTrace(times: Float64Array, recordedNs: ArrayLike<number>, speed: number): void {
  if (recordedNs.length < times.length) {
    throw badTimes(`The trace has the times of ${recordedNs.length} requests, and not of ${times.length}`);
  }
  for (let index = 0; index < times.length; index++) {
    times[index] = Math.round((recordedNs[index]! - recordedNs[0]!) / speed);
    if (index > 0 && !(times[index]! >= times[index - 1]!)) {
      throw badTimes(`Request ${index + 1} of the trace has a time before that of the request before it`);
    }
  }
}

function badTimes(problem: string): TokenworkError {
  return new TokenworkError(
    'bad-trace',
    `${problem}.`,
    'Sort the trace by time and give each request one, or use --arrivals poisson --rate R.',
  );
}
