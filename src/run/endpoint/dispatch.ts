/**
 * run/endpoint/ sends a run's requests to a server when they are due, and watches that the client itself keeps up.
 */
import type { UnsentReason } from '../../core/records/arrivals.js';
import type { Nanoseconds } from '../../core/units.js';
import { LagTally } from './lag-tally.js';
import { PreciseWait, processClock, type WaitingClock } from './precise-wait.js';

/** The times of a request before its answer, on the run's clock. */
export interface SendTimes {
  /** When it should be sent; in a closed loop, when a worker was free. */
  scheduledNs: Nanoseconds;
  sentNs: Nanoseconds;
}

export interface DispatchOptions {
  /** Sends a request, called in the order of the schedule; it ends when the request has, whatever its outcome. */
  send(index: number, times: SendTimes): Promise<void>;
  /** Told of each request that is not sent because it is too late or too many are in flight. */
  onUnsent?(index: number, reason: Exclude<UnsentReason, 'stopped'>, scheduledNs: Nanoseconds): void;
  signal?: AbortSignal | undefined;
  clock?: WaitingClock;
}

export interface OpenLoopOptions extends DispatchOptions {
  /** The schedule's origin on the run's clock; shortly after the call where absent. */
  startNs?: Nanoseconds;
  /** `skip`, the default: a request later than `lateAfterNs` is not sent; `send`: it is, in a burst with its like. */
  catchUp?: 'skip' | 'send';
  lateAfterNs?: Nanoseconds;
  maxInFlight?: number;
}

/** What was sent, and when: no more than counts, whatever the number of requests. */
export interface DispatchTally {
  scheduled: number;
  sent: number;
  unsent: Record<UnsentReason, number>;
  /** Null in a closed loop, which has no schedule. */
  schedule: {
    firstNs: Nanoseconds;
    lastNs: Nanoseconds;
    lag: LagTally;
    catchUp: 'skip' | 'send';
    lateAfterNs: Nanoseconds;
  } | null;
  firstSentNs: Nanoseconds | null;
  lastSentNs: Nanoseconds | null;
  maxInFlight: number;
  mostInFlight: number;
  durationNs: Nanoseconds;
  spunNs: Nanoseconds;
}

const openLoopDefaults = { catchUp: 'skip', lateAfterNs: 100e6, maxInFlight: 1024 } as const;
/** So that the first request is no later than the others. */
const leadNs = 20e6;
/** Requests that are sent without the event loop going round, which reads what was answered. */
const mostAtOnce = 16;

/**
 * Open loop: sends request i at `startNs + offsetsNs[i]`, whatever became of those before it. `offsetsNs` are in order.
 *
 * Deadlines are absolute, so that no lateness is handed on to the next. A request whose time has passed, as the event loop
 * was blocked or the process stood still, is sent at once, in order, with its lag; one later than `lateAfterNs` is not,
 * unless `catchUp` says so: a backlog sent in one burst is no arrival of the process that was asked for. A request that
 * finds `maxInFlight` others unanswered is not sent either, as waiting for one of them would close the loop.
 *
 * Ends when all that was sent has ended. After an abort nothing more is sent. Rethrows what `send` or `onUnsent` throws,
 * after the others have ended.
 */
export async function openLoop(
  offsetsNs: Float64Array,
  { send, onUnsent, signal, clock = processClock(), ...options }: OpenLoopOptions,
): Promise<DispatchTally> {
  const { catchUp, lateAfterNs, maxInFlight } = { ...openLoopDefaults, ...options };
  const beganNs = clock.now();
  const startNs = options.startNs ?? beganNs + leadNs;
  const wait = new PreciseWait(clock);
  const flight = new Flight(send);
  const lag = new LagTally();
  const unsent = { late: 0, inFlight: 0, stopped: 0 };
  const leaveOut = (index: number, reason: 'late' | 'inFlight', scheduledNs: Nanoseconds) => {
    unsent[reason]++;
    onUnsent?.(index, reason, scheduledNs);
  };
  let atOnce = 0;
  try {
    for (let index = 0; index < offsetsNs.length; index++) {
      const scheduledNs = startNs + offsetsNs[index]!;
      const waited = await wait.until(scheduledNs, signal);
      atOnce = waited ? 0 : atOnce + 1;
      if (atOnce === mostAtOnce) {
        await clock.turn();
        atOnce = 0;
      }
      if (signal?.aborted || flight.failed) {
        unsent.stopped = offsetsNs.length - index;
        break;
      }
      const sentNs = clock.now();
      if (catchUp === 'skip' && sentNs - scheduledNs > lateAfterNs) leaveOut(index, 'late', scheduledNs);
      else if (flight.size >= maxInFlight) leaveOut(index, 'inFlight', scheduledNs);
      else {
        lag.record(sentNs - scheduledNs);
        void flight.send(index, { scheduledNs, sentNs });
      }
    }
  } finally {
    await flight.ended();
  }
  flight.rethrow();
  const { length } = offsetsNs;
  const [firstNs, lastNs] = [startNs + (offsetsNs[0] ?? 0), startNs + (offsetsNs[length - 1] ?? 0)];
  return {
    scheduled: length,
    unsent,
    schedule: { firstNs, lastNs, lag, catchUp, lateAfterNs },
    maxInFlight,
    ...flight.tally(),
    durationNs: clock.now() - beganNs,
    spunNs: wait.spunNs,
  };
}

/**
 * Closed loop: `concurrency` requests in flight, the next sent when one has ended. It ends, and fails, as an open loop does.
 */
export async function closedLoop(
  count: number,
  {
    send,
    signal,
    clock = processClock(),
    concurrency,
  }: Omit<DispatchOptions, 'onUnsent'> & { concurrency: number },
): Promise<DispatchTally> {
  const beganNs = clock.now();
  const flight = new Flight(send);
  let next = 0;
  const worker = async () => {
    while (next < count && !signal?.aborted && !flight.failed) {
      const nowNs = clock.now();
      await flight.send(next++, { scheduledNs: nowNs, sentNs: nowNs });
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  flight.rethrow();
  return {
    scheduled: count,
    unsent: { late: 0, inFlight: 0, stopped: count - next },
    schedule: null,
    maxInFlight: concurrency,
    ...flight.tally(),
    durationNs: clock.now() - beganNs,
    spunNs: 0,
  };
}

/** The requests that were sent and have not ended. */
class Flight {
  readonly #send: DispatchOptions['send'];
  readonly #requests = new Set<Promise<void>>();
  #sent = 0;
  #most = 0;
  #firstNs: Nanoseconds | null = null;
  #lastNs: Nanoseconds | null = null;
  #failure: { thrown: unknown } | null = null;

  constructor(send: DispatchOptions['send']) {
    this.#send = send;
  }

  get size(): number {
    return this.#requests.size;
  }

  get failed(): boolean {
    return this.#failure !== null;
  }

  /** Ends with the request, and never rejects. */
  send(index: number, times: SendTimes): Promise<void> {
    this.#sent++;
    this.#firstNs ??= times.sentNs;
    this.#lastNs = times.sentNs;
    const request = this.#settled(index, times).finally(() => this.#requests.delete(request));
    this.#requests.add(request);
    this.#most = Math.max(this.#most, this.#requests.size);
    return request;
  }

  async #settled(index: number, times: SendTimes): Promise<void> {
    try {
      await this.#send(index, times);
    } catch (thrown) {
      this.#failure ??= { thrown };
    }
  }

  async ended(): Promise<void> {
    await Promise.all(this.#requests);
  }

  rethrow(): void {
    if (this.#failure !== null) throw this.#failure.thrown;
  }

  tally() {
    return {
      sent: this.#sent,
      firstSentNs: this.#firstNs,
      lastSentNs: this.#lastNs,
      mostInFlight: this.#most,
    };
  }
}
