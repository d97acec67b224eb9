import { monotonicClock } from '../../core/clock.js';
import type { Nanoseconds } from '../../core/units.js';

/** A clock, and the two ways of Node to wait on it. */
export interface WaitingClock {
  now(): Nanoseconds;
  /** Ends about `ms` later, a ms early or late; at once when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Ends after the event loop has gone round once. */
  turn(): Promise<void>;
}

/** The process's own; `now` is the run's clock. */
export function processClock(now: () => Nanoseconds = monotonicClock().now): WaitingClock {
  return {
    now,
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const done = () => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal?.addEventListener('abort', done, { once: true });
      }),
  };
}

/** Before the deadline, timers are no longer trusted: on an idle machine they erred by −1 to +1 ms in 98 of 100. */
const timerErrorNs = 1e6;
/** Share of the time that may be spent on spinning; past it, a wait is as precise as a timer. */
const mostSpin = 0.3;
/** Timers hold no longer times than 2^31 ms. */
const longestSleepMs = 2 ** 31 - 1;

/** Waits for deadlines: by a timer until shortly before, then by going round the event loop, which goes on reading. */
export class PreciseWait {
  readonly #clock: WaitingClock;
  readonly #beganNs: Nanoseconds;
  #spunNs: Nanoseconds = 0;

  constructor(clock: WaitingClock) {
    this.#clock = clock;
    this.#beganNs = clock.now();
  }

  /** Time spent on spinning, in which events were handled too. */
  get spunNs(): Nanoseconds {
    return this.#spunNs;
  }

  /** Ends at the deadline or shortly after it, or at once when the signal aborts; whether it had to wait at all. */
  async until(deadlineNs: Nanoseconds, signal?: AbortSignal): Promise<boolean> {
    for (let waited = false; ; waited = true) {
      const nowNs = this.#clock.now();
      if (nowNs >= deadlineNs || signal?.aborted) return waited;
      const sleepMs = Math.floor((deadlineNs - timerErrorNs - nowNs) / 1e6);
      if (sleepMs >= 1) await this.#clock.sleep(Math.min(sleepMs, longestSleepMs), signal);
      else if (this.#spunNs > mostSpin * (nowNs - this.#beganNs)) await this.#clock.sleep(1, signal);
      else await this.#spinUntil(Math.min(deadlineNs, nowNs + 2 * timerErrorNs), signal);
    }
  }

  async #spinUntil(endNs: Nanoseconds, signal?: AbortSignal): Promise<void> {
    const beganNs = this.#clock.now();
    let nowNs = beganNs;
    while (nowNs < endNs && !signal?.aborted) {
      await this.#clock.turn();
      nowNs = this.#clock.now();
    }
    this.#spunNs += Math.min(nowNs, endNs) - beganNs;
  }
}
